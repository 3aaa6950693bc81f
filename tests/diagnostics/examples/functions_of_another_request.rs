//! Functions of the request that are made for another one.

// says: expected closure signature `for<'a> fn(&'a u32)
// says: Allowance<u32>`
// says: PerRequest<u32>`
// says: Keep<u32>`
// says: Circuits<u32>`
// says: Compartments<u32>`

use std::{io, time::Duration};

use buttress::{core::check_service, prelude::*, retry::Terms};
use tower::{ServiceBuilder, service_fn};

fn main() {
    let serve = service_fn(async |_: u32| Ok::<u32, io::Error>(7));
    let limit = TimeoutLayer::builder().per_request(|_: &String| Some(Duration::from_secs(1)));
    check_service::<u32>(&ServiceBuilder::new().layer(limit.build().unwrap()).service(serve));
    let retry = JitteredRetryLayer::builder().per_request(|_: &String| Terms::new());
    check_service::<u32>(&ServiceBuilder::new().layer(retry.build().unwrap()).service(serve));
    let fallback = FallbackLayer::builder().keep(|text: &String| text.clone());
    let fallback = fallback.value("seven", |_: &String, _: &buttress::fallback::Failure<'_>| 7);
    check_service::<u32>(&ServiceBuilder::new().layer(fallback.build().unwrap()).service(serve));
    let circuits = BreakerLayer::builder().keyed(|text: &String| text.clone());
    check_service::<u32>(&ServiceBuilder::new().layer(circuits.build().unwrap()).service(serve));
    let places = BulkheadLayer::compartments(|text: &String| text.as_str());
    let places = places.compartment(("all", 7)).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(places).service(serve));
}
