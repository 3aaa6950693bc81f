//! A fallback that answers with something else than the service.

// says: `Plain` cannot let a `&str` stand in for a `u32`
// says: under `Plain` a fallback answers with the service's own response type

use std::io;

use buttress::{core::check_service, fallback::Failure, prelude::*};
use tower::{ServiceBuilder, service_fn};

fn main() {
    let layer =
        FallbackLayer::builder().value("none", |_: &(), _: &Failure<'_>| "none").build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |_: ()| Ok::<u32, io::Error>(7)));
    check_service::<()>(&service);
}
