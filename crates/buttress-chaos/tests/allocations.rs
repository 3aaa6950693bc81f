//! What a call takes from the heap that meets no fault: nothing.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_chaos::{ChaosLayer, Faults, Step, Timeline};
use buttress_core::Spoil;
use buttress_http::Http;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};

/// Answers at once, with nothing of its own on the heap.
#[derive(Clone)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::from("all"))))
    }
}

/// How many allocations a thousand calls make.
fn allocations<P>(layer: &ChaosLayer<P>) -> u64
where
    P: Spoil<Request<()>, Response<Full<Bytes>>> + Clone,
{
    let mut service = layer.layer(Answers);
    let mut cx = Context::from_waker(Waker::noop());
    let mut calls = || {
        for _ in 0..1000 {
            assert!(service.poll_ready(&mut cx).is_ready());
            let _ = pin!(service.call(Request::new(()))).poll(&mut cx);
        }
    };
    // What a thread has to make once, as its generator.
    calls();
    allocation_counter::measure(calls).count_total
}

fn faults() -> Faults {
    let build = || Faults::none().errors(1.0)?.cut(1.0, 1)?.ready_late(1.0, Duration::MAX);
    build().unwrap()
}

#[test]
fn nothing_while_no_fault_is_in_force() {
    let layer = ChaosLayer::builder().build().unwrap();
    assert_eq!(allocations(&layer), 0);
    let http = ChaosLayer::builder().protocol(Http::new()).build().unwrap();
    assert_eq!(allocations(&http), 0);
    http.handle().set(Faults::none().cut(1.0, 1).unwrap()).unwrap();
    assert!(allocations(&http) > 0, "the test sees it");
}

#[test]
fn nothing_where_the_fault_does_not_strike() {
    let seldom = Faults::none().errors(f64::MIN_POSITIVE).unwrap();
    let layer = ChaosLayer::builder().faults(seldom.unready(f64::MIN_POSITIVE).unwrap());
    assert_eq!(allocations(&layer.build().unwrap()), 0);
}

#[test]
fn nothing_where_it_is_switched_off() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _runtime = runtime.enter();
    let layer = ChaosLayer::builder().faults(faults()).protocol(Http::new()).build().unwrap();
    let off = layer.disabled();
    off.handle().set(faults()).unwrap();
    off.handle().play(Timeline::new().step(Step::new(Duration::ZERO, faults()))).unwrap();
    assert_eq!(allocations(&off), 0);
}
