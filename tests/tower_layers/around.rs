//! The whole stack inside of tower's layers.

use std::convert::Infallible;

use buttress::prelude::*;
use buttress_testkit::assert_pending;
use buttress_tests::stack;
use http::{Request, StatusCode};
use tokio::time::{Instant, advance};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    filter::FilterLayer,
    limit::{ConcurrencyLimitLayer, RateLimitLayer},
    load_shed::LoadShedLayer,
    timeout::TimeoutLayer as TowersTimeoutLayer,
    timeout::error::Elapsed,
    util::{BoxCloneService, BoxCloneSyncService, MapRequestLayer},
};

use crate::{SECOND, get, text, upstream};

/// The stack as tower's boxes take it, one of which is not `Sync`: clones share its state.
#[tokio::test(start_paused = true)]
async fn it_can_be_boxed_and_its_clones_share_its_state() {
    let (inner, reached) = upstream();
    let service = stack().unwrap().service(inner);
    let boxed = BoxCloneService::new(service.clone());
    let shared = BoxCloneSyncService::new(service);
    // Five attempts that fail open the circuit, whichever way they come.
    for _ in 0..2 {
        assert_eq!(text(boxed.clone().oneshot(get("/503")).await.unwrap()).await, "a placeholder");
        assert_eq!(text(shared.clone().oneshot(get("/503")).await.unwrap()).await, "a placeholder");
    }
    let calls = reached.calls();
    assert_eq!(calls, 5);
    assert_eq!(text(boxed.oneshot(get("/")).await.unwrap()).await, "a placeholder");
    assert_eq!(text(shared.oneshot(get("/")).await.unwrap()).await, "a placeholder");
    assert_eq!(reached.calls(), calls, "it is open for both");
}

/// `Buffer` runs the stack in its worker, with a queue in front of it: answers and degraded ones come
/// back through it, and a call whose caller has left goes on in the worker no further.
#[tokio::test(start_paused = true)]
async fn behind_a_buffer_calls_go_on_and_end_with_their_callers() {
    let (inner, reached) = upstream();
    let service =
        ServiceBuilder::new().layer(BufferLayer::new(4)).service(stack().unwrap().service(inner));
    assert_eq!(text(service.clone().oneshot(get("/")).await.unwrap()).await, "the real thing");
    let response = service.clone().oneshot(get("/breaks")).await.unwrap();
    assert_eq!(text(response).await, "a placeholder");
    let call = tokio::spawn(service.clone().oneshot(get("/hangs")));
    advance(SECOND / 10).await;
    assert_eq!(reached.in_flight(), 1);
    call.abort();
    call.await.unwrap_err();
    assert_eq!(reached.in_flight(), 0);
    // Always ready, the stack never stops the worker.
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "the real thing");
}

/// `LoadShed` sheds what is not ready, and the stack always is: it is for the stack itself to refuse,
/// and for the fallback to answer then.
#[tokio::test(start_paused = true)]
async fn nothing_is_shed_in_front_of_a_stack_that_is_always_ready() {
    let (inner, reached) = upstream();
    let service =
        ServiceBuilder::new().layer(LoadShedLayer::new()).service(stack().unwrap().service(inner));
    let held: Vec<_> = (0..64)
        .map(|_| {
            let mut call = buttress_testkit::task::spawn(service.clone().oneshot(get("/hangs")));
            assert_pending!(call.poll());
            call
        })
        .collect();
    assert_eq!(reached.in_flight(), 64, "as many as the bulkhead has places");
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "a placeholder");
    drop(held);
}

/// tower's `ConcurrencyLimit` gives its place back with the head of the response, the bulkhead with its
/// end: around the stack the one bounds what is asked, the other what is under way.
#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_outside_ends_with_the_head_and_the_bulkhead_with_the_body() {
    let (inner, _reached) = upstream();
    let bulkhead = BulkheadLayer::builder().max_concurrent(2).protocol(Http::new());
    let bulkhead = bulkhead.build().unwrap();
    let places = bulkhead.handle();
    let service =
        ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).layer(bulkhead).service(inner);
    let first = service.clone().oneshot(get("/streams")).await.unwrap();
    let second = service.clone().oneshot(get("/streams")).await.unwrap();
    assert_eq!(places.in_flight(), 2);
    let error = service.clone().oneshot(get("/")).await.unwrap_err();
    assert!(Rejection::find(error.as_ref()).is_some_and(Rejection::is_refusal));
    drop((first, second));
    assert_eq!(places.in_flight(), 0);
    service.oneshot(get("/")).await.unwrap();
}

/// tower's `Timeout` outside is a caller who hangs up: what was held is given back, nobody is blamed,
/// and the stack's own fallback has no say.
#[tokio::test(start_paused = true)]
async fn towers_timeout_outside_is_a_caller_who_hangs_up() {
    let (inner, reached) = upstream();
    let http = Http::new();
    let breaker = BreakerLayer::builder().consecutive_failures(1).protocol(http).build().unwrap();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
    let (circuit, places) = (breaker.handle(), bulkhead.handle());
    let service = ServiceBuilder::new()
        .layer(TowersTimeoutLayer::new(SECOND))
        .layer(breaker)
        .layer(bulkhead)
        .service(inner);
    let start = Instant::now();
    let error = service.oneshot(get("/hangs")).await.unwrap_err();
    assert!(error.is::<Elapsed>());
    assert_eq!((start.elapsed(), reached.in_flight(), places.in_flight()), (SECOND, 0, 0));
    assert_eq!((circuit.snapshot().failures, circuit.snapshot().opened), (0, 0));
}

/// What a `Filter` refuses never comes to the stack: it takes no place, is not counted, and is not
/// answered by a fallback.
#[tokio::test(start_paused = true)]
async fn what_a_filter_refuses_is_none_of_the_stacks() {
    let (inner, reached) = upstream();
    let admin = |request: Request<_>| match request.uri().path() {
        "/admin" => Err(BoxError::from("forbidden")),
        _ => Ok(request),
    };
    let service = ServiceBuilder::new()
        .layer(FilterLayer::new(admin))
        .service(stack().unwrap().service(inner));
    let error = service.clone().oneshot(get("/admin")).await.map(drop).unwrap_err();
    assert_eq!((error.to_string().as_str(), reached.calls()), ("forbidden", 0));
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "the real thing");
}

/// Behind a `Buffer`, without which it can not be cloned, a `RateLimit` makes calls wait in the queue: the
/// wait is a part of their time, at the end of which the fallback answers, and they use up no turn.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_rate_is_a_part_of_the_time() {
    let (inner, reached) = upstream();
    let service = stack().unwrap().service(
        ServiceBuilder::new()
            .layer(BufferLayer::new(4))
            .layer(RateLimitLayer::new(1, 10 * SECOND))
            .service(inner),
    );
    assert_eq!(text(service.clone().oneshot(get("/")).await.unwrap()).await, "the real thing");
    let start = Instant::now();
    assert_eq!(text(service.clone().oneshot(get("/")).await.unwrap()).await, "a placeholder");
    assert!(start.elapsed() <= 2 * SECOND, "the limit of the stack, not that of the rate");
    assert_eq!(reached.calls(), 1);
    advance(10 * SECOND).await;
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "the real thing");
    assert_eq!(reached.calls(), 2, "none of those that were given up");
}

/// `MapRequest` inside the retry makes each attempt anew of what the retry repeats.
#[tokio::test(start_paused = true)]
async fn each_attempt_is_mapped() {
    let (inner, reached) = upstream();
    let mut paths = ["/503", "/breaks", "/"].into_iter().cycle();
    let paths = std::sync::Arc::new(std::sync::Mutex::new(move || paths.next().expect("endless")));
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap())
        .layer(MapRequestLayer::new(move |mut request: Request<_>| {
            *request.uri_mut() = paths.lock().expect("no panic")().parse().expect("a path");
            request
        }))
        .service(inner);
    let response = service.oneshot(get("/whatever")).await.unwrap();
    assert_eq!((response.status(), reached.calls()), (StatusCode::OK, 3));
}

/// Around the server side of a stack, whose error is `Infallible`, tower's layers still fit.
#[tokio::test(start_paused = true)]
async fn a_stack_that_never_fails_is_one_for_axum_too() {
    fn never_fails<S: Service<Request<B>, Error = Infallible>, B>(_: &S, _: &Request<B>) {}
    let service = stack().unwrap().service(upstream().0);
    never_fails(&service, &get("/"));
    let limited = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).service(service);
    never_fails(&limited, &get("/"));
    let both = tokio::join!(limited.clone().oneshot(get("/slow")), limited.oneshot(get("/slow")));
    assert_eq!(text(both.0.unwrap()).await, "the real thing");
    assert_eq!(text(both.1.unwrap()).await, "the real thing");
}
