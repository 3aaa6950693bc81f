//! A classifier that looks at the error that the service has, and not at a boxed one.

// says: cannot judge a response of type `u32`
// says: a closure that judges such responses is `.classify(|result: Result<&u32, &BoxError>| …)`

use std::io;

use buttress::{core::check_service, prelude::*};
use tower::{ServiceBuilder, service_fn};

fn main() {
    let layer = BreakerLayer::builder()
        .classify(|result: Result<&u32, &io::Error>| match result {
            Ok(_) => Judgement::SUCCESS,
            Err(_) => Judgement::FAILURE,
        })
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |_: ()| Ok::<u32, io::Error>(7)));
    check_service::<()>(&service);
}
