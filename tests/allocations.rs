//! A call that goes well over a ready plain service touches the heap nowhere.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    breaker::Window,
    bulkhead::{Limit, Sample},
    fallback::Failure,
    prelude::*,
};
use buttress_testkit::{BodyStep, ScriptedBody};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder};

/// The least a service can be: always ready, answers at once, and nothing to clone.
#[derive(Clone)]
struct Adds;

impl Service<u64> for Adds {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        ready(Ok(n + 1))
    }
}

const CALLS: u64 = 1_000;

/// Calls as a caller does, by `poll_ready` and `call`, and gives the allocations of all of it.
fn allocations<S>(mut service: S) -> u64
where
    S: Service<u64, Response = u64>,
{
    let mut call = |n| {
        let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).now_or_never();
        assert!(matches!(ready, Some(Ok(()))));
        match service.call(n).now_or_never() {
            Some(Ok(sum)) => sum,
            _ => panic!("a ready service answers at once"),
        }
    };
    // What is made once per thread or per process does not belong to a call.
    call(0);
    let mut sum = 0;
    let counted = allocation_counter::measure(|| {
        for n in 0..CALLS {
            sum += call(n);
        }
    });
    assert_eq!(sum, CALLS * (CALLS + 1) / 2, "the work was done");
    counted.count_total
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::new(Duration::from_secs(2)).unwrap()
}

fn retry() -> JitteredRetryLayer {
    JitteredRetryLayer::new(3).unwrap()
}

fn bulkhead() -> BulkheadLayer {
    BulkheadLayer::new(8).unwrap()
}

/// A limit that could learn, so that calls are measured.
#[derive(Clone)]
struct Learns;

impl Limit for Learns {
    fn current(&self) -> usize {
        8
    }

    fn learn(&mut self, _sample: &Sample) {}
}

fn fallback() -> FallbackLayer<(), u64> {
    FallbackLayer::builder().value("zero", |_: &(), _: &Failure<'_>| 0).build().unwrap()
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn timeout_allocates_nothing() {
    assert_eq!(allocations(timeout().layer(Adds)), 0);
}

#[test]
fn timeout_with_every_limit_allocates_nothing() {
    let second = Duration::from_secs(1);
    let every = TimeoutLayer::builder()
        .overall(2 * second)
        .response(second)
        .read(second)
        .per_request(|_: &u64| Some(Duration::from_secs(3)));
    assert_eq!(allocations(every.build().unwrap().layer(Adds)), 0);
}

/// One that is switched off, too, and whatever it would allocate if it were on; but for a breaker, which
/// keeps such calls apart from its own.
#[test]
fn what_is_switched_off_allocates_nothing() {
    let learns = BulkheadLayer::builder().limit(Learns).build().unwrap();
    let stack = ServiceBuilder::new()
        .layer(fallback().disabled())
        .layer(timeout().disabled())
        .layer(retry().disabled())
        .layer(learns.disabled())
        .layer(ChaosLayer::new(Faults::none().errors(1.0).unwrap()).unwrap().disabled());
    assert_eq!(allocations(stack.service(Adds)), 0);
    assert_eq!(allocations(BreakerLayer::new().disabled().layer(Adds)), CALLS);
}

#[test]
fn retry_allocates_nothing() {
    assert_eq!(allocations(retry().layer(Adds)), 0);
}

#[test]
fn breaker_allocates_nothing() {
    assert_eq!(allocations(BreakerLayer::new().layer(Adds)), 0);
}

#[test]
fn a_breaker_that_goes_by_rates_allocates_nothing() {
    for window in [Window::last_calls(100), Window::last(Duration::from_secs(10))] {
        let rates = BreakerLayer::builder()
            .failure_rate(0.5)
            .slow_call_rate(0.5, Duration::from_secs(1))
            .window(window);
        assert_eq!(allocations(rates.build().unwrap().layer(Adds)), 0);
    }
}

/// One circuit a key, each of which is known: it costs what the key does.
#[test]
fn a_breaker_by_key_allocates_the_key_alone() {
    let by_number = BreakerLayer::builder().keyed(|n: &u64| n % 100).build().unwrap();
    let known = by_number.layer(Adds);
    allocations(known.clone());
    assert_eq!(allocations(known), 0);
    let by_name = BreakerLayer::builder().keyed(|n: &u64| (n % 100).to_string()).build().unwrap();
    let known = by_name.layer(Adds);
    allocations(known.clone());
    assert_eq!(allocations(known), CALLS);
}

#[test]
fn bulkhead_allocates_nothing() {
    assert_eq!(allocations(bulkhead().layer(Adds)), 0);
}

#[test]
fn a_bulkhead_of_any_kind_allocates_nothing() {
    let builder = || BulkheadLayer::builder().max_concurrent(8);
    let reset = builder().build().unwrap();
    reset.handle().reset_limit();
    assert_eq!(allocations(reset.layer(Adds)), 0);
    let waits = builder().max_wait(Duration::from_secs(1)).build().unwrap();
    assert_eq!(allocations(waits.layer(Adds)), 0);
    let pushes_back = builder().backpressure().build().unwrap();
    assert_eq!(allocations(pushes_back.layer(Adds)), 0);
    let named = BulkheadLayer::compartments(|_: &u64| "payment").compartment(("payment", 8));
    assert_eq!(allocations(named.build().unwrap().layer(Adds)), 0);
    let known = builder().keyed(|n: &u64| n % 100).build().unwrap().layer(Adds);
    allocations(known.clone());
    assert_eq!(allocations(known), 0, "once all keys are known");
}

#[test]
fn a_bulkhead_whose_limit_learns_allocates_once_a_call() {
    let learns = BulkheadLayer::builder().limit(Learns).build().unwrap();
    assert_eq!(allocations(learns.layer(Adds)), CALLS, "what it is measured by");
    learns.handle().set_limit(8).unwrap();
    assert_eq!(allocations(learns.layer(Adds)), 0, "by an operator's word it learns no more");
}

#[test]
fn fallback_allocates_nothing() {
    assert_eq!(allocations(fallback().layer(Adds)), 0);
}

#[test]
fn all_five_stacked_allocate_nothing() {
    let stacked = ServiceBuilder::new()
        .layer(fallback())
        .layer(timeout())
        .layer(retry())
        .layer(BreakerLayer::new())
        .layer(bulkhead())
        .layer(timeout())
        .service(Adds);
    assert_eq!(allocations(stacked), 0);
}

/// Answers every HTTP request with an empty page.
#[derive(Clone)]
struct Serves;

impl<B> Service<Request<B>> for Serves {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Full::default())))
    }
}

/// The allocations of one call with this request, made anew each time outside of what is counted.
fn http_allocations<B>(request: impl Fn() -> Request<B>) -> u64
where
    B: http_body::Body + Default + 'static,
{
    let layer = JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap();
    let mut service = layer.layer(Serves);
    let mut call = |request| service.call(request).now_or_never().unwrap().is_ok();
    assert!(call(request()), "what is made once per thread does not belong to a call");
    let request = request();
    allocation_counter::measure(|| assert!(call(request))).count_total
}

/// What the retry layer costs a call under HTTP, with what its request needs to be sent again and
/// without: the figures that the documentation of `Http` gives.
#[test]
fn what_a_request_costs_that_may_be_repeated() {
    let with_headers = |builder: http::request::Builder| {
        builder.uri("http://shop.internal/items/17").header("accept", "application/json")
    };
    // The number of the attempt in the extensions: the map, its table, and the value.
    let marked = http_allocations(|| {
        let once = ScriptedBody::new([BodyStep::Data("can not be had twice")]);
        with_headers(Request::put("/")).body(once).unwrap()
    });
    assert_eq!(marked, 3);
    // And a copy of the headers, its table and its entries, and the text of the URI made shareable.
    for copied in [
        http_allocations(|| {
            with_headers(Request::get("/")).body(Full::<Bytes>::default()).unwrap()
        }),
        http_allocations(|| {
            with_headers(Request::put("/")).body(Full::<Bytes>::from("twice")).unwrap()
        }),
        http_allocations(|| {
            with_headers(Request::post("/")).body(Full::<Bytes>::from("unsent")).unwrap()
        }),
    ] {
        assert_eq!(copied, 3 + 3);
    }
    let bare = http_allocations(|| Request::get("/").body(Full::<Bytes>::default()).unwrap());
    assert_eq!(bare, 3, "a request that has no headers has nothing to copy");
}

/// To know how an error would be told costs a call that goes well no allocation.
#[test]
fn to_respond_allocates_nothing() {
    for accept in ["*/*", "text/html, application/problem+json;q=0.25, */*;q=0.1"] {
        let mut service = RespondLayer::new().layer(Serves);
        let request = Request::get("/").header("accept", accept).body(ScriptedBody::new([]));
        let request = request.unwrap();
        let call = || assert!(service.call(request).now_or_never().unwrap().is_ok());
        assert_eq!(allocation_counter::measure(call).count_total, 0, "{accept}");
    }
}
