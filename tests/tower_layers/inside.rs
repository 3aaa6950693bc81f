//! The whole stack outside of tower's layers.

use buttress::prelude::*;
use buttress_tests::stack;
use http::Request;
use tokio::time::Instant;
use tower::{
    BoxError, Layer, ServiceBuilder, ServiceExt, filter::FilterLayer,
    limit::GlobalConcurrencyLimitLayer, spawn_ready::SpawnReadyLayer,
    timeout::TimeoutLayer as TowersTimeoutLayer, timeout::error::Elapsed,
};

use crate::{SECOND, get, text, upstream};

/// tower's `Timeout` around the client is a failed attempt like any other: repeated, and counted.
#[tokio::test(start_paused = true)]
async fn towers_timeout_inside_is_a_failed_attempt() {
    let (inner, reached) = upstream();
    let http = Http::new();
    let breaker = BreakerLayer::builder().consecutive_failures(3).protocol(http).build().unwrap();
    let circuit = breaker.handle();
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::builder().protocol(http).build().unwrap())
        .layer(breaker)
        .layer(TowersTimeoutLayer::new(SECOND))
        .service(inner);
    let error = service.oneshot(get("/hangs")).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "the error passes as it is");
    assert_eq!((reached.calls(), reached.in_flight(), circuit.snapshot().opened), (3, 0, 1));
}

/// A `ConcurrencyLimit` inside makes calls wait to be ready: inside the call, by turns, and within the
/// time of the attempt, after which the fallback answers; no place of it is lost on the way.
#[tokio::test(start_paused = true)]
async fn a_place_of_a_concurrency_limit_inside_is_waited_for_within_the_attempt() {
    let (inner, reached) = upstream();
    let service =
        stack().unwrap().service(ServiceBuilder::new().concurrency_limit(1).service(inner));
    let start = Instant::now();
    let calls: Vec<_> =
        (0..5).map(|_| tokio::spawn(service.clone().oneshot(get("/slow")))).collect();
    for call in calls {
        text(call.await.unwrap().unwrap()).await;
    }
    assert!(start.elapsed() <= 2 * SECOND);
    assert_eq!((reached.in_flight(), reached.reserved()), (0, 0));
    let after = service.oneshot(get("/")).await.unwrap();
    assert_eq!(text(after).await, "the real thing", "the place came back");
}

/// One `GlobalConcurrencyLimit` inside two stacks bounds both together; neither keeps a place while its
/// own calls are refused.
#[tokio::test(start_paused = true)]
async fn a_global_limit_bounds_two_stacks_together() {
    let (inner, reached) = upstream();
    let global = GlobalConcurrencyLimitLayer::new(2);
    let stacks = [(); 2].map(|()| stack().unwrap().service(global.layer(inner.clone())));
    let calls: Vec<_> =
        (0..6).map(|n| tokio::spawn(stacks[n % 2].clone().oneshot(get("/hangs")))).collect();
    tokio::time::advance(SECOND / 10).await;
    assert_eq!(reached.in_flight(), 2, "of both");
    for call in calls {
        assert_eq!(text(call.await.unwrap().unwrap()).await, "a placeholder");
    }
    assert_eq!((reached.in_flight(), reached.reserved()), (0, 0));
    for stack in stacks {
        // Its circuit is open: what is refused there does not wait for the limit.
        let start = Instant::now();
        text(stack.oneshot(get("/")).await.unwrap()).await;
        assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    }
}

/// `SpawnReady` drives the readiness of what it wraps in a task: a bulkhead that slows down its callers
/// gives it a place when there is one, and gets it back from one that is dropped.
#[tokio::test(start_paused = true)]
async fn a_place_that_is_waited_for_in_a_task_comes_back() {
    let (inner, _reached) = upstream();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).backpressure();
    let bulkhead = bulkhead.protocol(Http::new()).build().unwrap();
    let places = bulkhead.handle();
    let spawned = || SpawnReadyLayer::new().layer(bulkhead.layer(inner.clone()));
    let held = spawned().oneshot(get("/streams")).await.unwrap();
    let waits = tokio::spawn(spawned().oneshot(get("/slow")));
    tokio::time::sleep(SECOND).await;
    assert_eq!((places.in_flight(), places.queued()), (1, 1));
    drop(held);
    assert_eq!(text(waits.await.unwrap().unwrap()).await, "the real thing");
    assert_eq!(places.in_flight(), 0);
    let held = spawned().oneshot(get("/streams")).await.unwrap();
    let leaves = tokio::spawn(spawned().oneshot(get("/slow")));
    tokio::time::sleep(SECOND).await;
    leaves.abort();
    leaves.await.unwrap_err();
    tokio::time::sleep(SECOND).await;
    assert_eq!((places.in_flight(), places.queued()), (1, 0), "who waited in it has left");
    drop(held);
    assert_eq!(places.in_flight(), 0);
}

/// What a `Filter` inside refuses is an error of the service: it comes to the caller as it is where no
/// fallback answers.
#[tokio::test(start_paused = true)]
async fn the_word_of_a_filter_inside_is_passed_on() {
    let (inner, reached) = upstream();
    let never = |_: Request<_>| Err::<Request<_>, _>(BoxError::from("not this one"));
    let service = ServiceBuilder::new()
        .layer(BreakerLayer::builder().protocol(Http::new()).build().unwrap())
        .layer(FilterLayer::new(never))
        .service(inner);
    let error = service.oneshot(get("/")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), reached.calls()), ("not this one", 0));
}
