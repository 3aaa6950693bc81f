//! The protocol of HTTP around a service of ordinary values.

// says: cannot follow a response of type `u32` to its end
// says: cannot judge a response of type `u32`
// says: cannot get rid of a response of type `u32`
// says: `Plain` for ordinary values, `Http` of buttress-http for `http::Response`

use std::io;

use buttress::{core::check_service, prelude::*};
use tower::{ServiceBuilder, service_fn};

fn main() {
    let http = Http::new();
    let serve = service_fn(async |_: u32| Ok::<u32, io::Error>(7));
    let breaker = BreakerLayer::builder().protocol(http).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(breaker).service(serve));
    let retry = JitteredRetryLayer::builder().protocol(http).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(retry).service(serve));
}
