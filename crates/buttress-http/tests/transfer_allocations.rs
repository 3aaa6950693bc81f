//! What a watched call takes from the heap: one small state, for a request that has a body.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_http::{TransferTimeoutLayer, Watched};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service};

/// Takes the request's body to its end, and answers at once.
#[derive(Clone)]
struct Takes;

impl Service<Request<Watched<Full<Bytes>>>> for Takes {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Watched<Full<Bytes>>>) -> Self::Future {
        take(request.into_body());
        ready(Ok(Response::new(Full::from("all"))))
    }
}

fn take(body: impl Body) {
    let mut body = pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut cx) {}
}

fn allocations(limits: &TransferTimeoutLayer, body: &'static str) -> u64 {
    let mut service = limits.layer(Takes);
    let mut call = || {
        let response = pin!(service.call(Request::new(Full::from(body))));
        match response.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => take(response.into_body()),
            _ => panic!("a ready service answers at once"),
        }
    };
    // What is made once per thread or per process does not belong to a call.
    call();
    allocation_counter::measure(call).count_total
}

#[test]
fn only_a_request_with_a_body_allocates_and_once() {
    let second = Duration::from_secs(1);
    let limits = TransferTimeoutLayer::builder().write(second).idle(second).build().unwrap();
    assert_eq!(allocations(&limits, ""), 0);
    assert_eq!(allocations(&limits, "body"), 1);
    let none = TransferTimeoutLayer::builder();
    assert_eq!(allocations(&none.build().unwrap(), "body"), 0);
    let never = TransferTimeoutLayer::builder().write(Duration::MAX).idle(Duration::MAX);
    assert_eq!(allocations(&never.build().unwrap(), "body"), 0);
}
