//! A retry around a request that can not be cloned.

// says: `Plain` cannot repeat a request of type `Order`
// says: a retry needs the request to be `Clone`, or a protocol that can repeat it

use std::convert::Infallible;

use buttress::{core::check_service, prelude::*};
use tower::{ServiceBuilder, service_fn};

struct Order;

fn main() {
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::new(3).unwrap())
        .service(service_fn(async |_: Order| Ok::<_, Infallible>(())));
    check_service::<Order>(&service);
}
