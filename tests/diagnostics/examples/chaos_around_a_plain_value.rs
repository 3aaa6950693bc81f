//! Faults of HTTP around a service that does not speak it.

// says: cannot damage a `u64` that answers a `u64`
// says: `Plain` for ordinary values

use std::convert::Infallible;

use buttress::{core::check_service, prelude::*};
use tower::{ServiceBuilder, service_fn};

fn main() {
    let chaos = ChaosLayer::builder().protocol(Http::new()).build().unwrap();
    let double = service_fn(async |n: u64| Ok::<_, Infallible>(2 * n));
    check_service::<u64>(&ServiceBuilder::new().layer(chaos).service(double));
}
