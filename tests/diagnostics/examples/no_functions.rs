//! What is given in the place of functions, and is none.

// says: does not say how long a request of type `u32` may take
// says: `.per_request(…)` takes a closure from `&u32` to an `Option<Duration>`
// says: does not say on what terms a request of type `u32` is repeated
// says: keeps no view of a request of type `u32`
// says: the builder's `.keep(…)` takes a closure from `&u32` to an owned value
// says: does not say which requests of type `u32` are struck
// says: `.only(…)` takes a closure from `&u32` to a `bool`
// says: is no limit of a bulkhead
// says: can not be told what happens

use std::{io, time::Duration};

use buttress::{
    core::check_service,
    fallback::{Failure, Keep},
    prelude::*,
};
use tower::{ServiceBuilder, service_fn};

/// Keeps a view of text alone.
#[derive(Clone)]
struct OfText;

impl Keep<String> for OfText {
    type View = ();

    fn keep(&self, _request: &String) {}
}

fn main() {
    let serve = service_fn(async |_: u32| Ok::<u32, io::Error>(7));
    let limit = TimeoutLayer::builder().per_request(Duration::from_secs(1)).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(limit).service(serve));
    let retry = JitteredRetryLayer::builder().per_request(3).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(retry).service(serve));
    let fallback = FallbackLayer::builder().keep::<String, _>(OfText);
    let fallback = fallback.value("seven", |_: &(), _: &Failure<'_>| 7).build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(fallback).service(serve));
    let chaos = ChaosLayer::builder().only("/payment").build().unwrap();
    check_service::<u32>(&ServiceBuilder::new().layer(chaos).service(serve));
    let _limited = BulkheadLayer::builder().limit("ten");
    let _observed = BreakerLayer::builder().observer("log");
}
