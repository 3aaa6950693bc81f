//! Overload, where the bulkhead is to slow down, and tower's `LoadShed` to refuse.

use buttress::prelude::*;
use tower::{
    Layer, ServiceBuilder, ServiceExt,
    load_shed::{LoadShedLayer, error::Overloaded},
};

use crate::{get, text, upstream};

/// A bulkhead that is not ready while it has no place is overload as tower has it, and there is none
/// any more when a place is free: the body of a response must be over for that.
#[tokio::test(start_paused = true)]
async fn a_bulkhead_that_slows_down_is_shed_as_overload() {
    let (inner, reached) = upstream();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).backpressure();
    let bulkhead = bulkhead.protocol(Http::new()).build().unwrap();
    let places = bulkhead.handle();
    let service = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(bulkhead).service(inner);
    let held = service.clone().oneshot(get("/streams")).await.unwrap();
    for _ in 0..3 {
        let error = service.clone().oneshot(get("/")).await.unwrap_err();
        assert!(error.is::<Overloaded>(), "{error}");
        assert_eq!((places.in_flight(), places.queued()), (1, 0), "who was shed waits for nothing");
    }
    drop(held);
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "the real thing");
    assert_eq!((reached.calls(), places.in_flight()), (2, 0));
}

/// The overload of a `LoadShed` inside is an error that is no refusal of ours: a retry outside repeats
/// it, and a fallback answers it.
#[tokio::test(start_paused = true)]
async fn what_is_shed_inside_is_a_failure() {
    let (inner, reached) = upstream();
    let limit = BulkheadLayer::builder().max_concurrent(1).backpressure();
    let limit = limit.protocol(Http::new()).build().unwrap();
    let inner = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(limit).service(inner);
    let held = inner.clone().oneshot(get("/streams")).await.unwrap();
    let retry = JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap();
    let retries = retry.layer(inner.clone());
    let call = tokio::spawn(retries.clone().oneshot(get("/")));
    tokio::time::advance(std::time::Duration::ZERO).await;
    drop(held);
    assert_eq!(text(call.await.unwrap().unwrap()).await, "the real thing", "at another attempt");
    assert_eq!(reached.calls(), 2);
    let _held = inner.clone().oneshot(get("/streams")).await.unwrap();
    let service = buttress_tests::stack().unwrap().service(inner);
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "a placeholder");
}
