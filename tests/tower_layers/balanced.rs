//! Around tower's balancer, and around `Steer`.

use buttress::{breaker::Breaker, core::CircuitState, prelude::*};
use buttress_testkit::{Probe, ProbeHandle, Reply, ScriptedBody};
use http::{Request, Response, StatusCode};
use tower::{
    Layer, ServiceBuilder, ServiceExt, balance::p2c::Balance, buffer::BufferLayer,
    discover::ServiceList, load::Constant, steer::Steer,
};

use crate::{SECOND, get, text, upstream};

type Endpoint = Breaker<Probe<Request<ScriptedBody>, Response<ScriptedBody>>, Http>;

fn endpoint(fails: bool, readiness: bool) -> (Endpoint, BreakerHandle, ProbeHandle) {
    let (healthy, reached) = upstream();
    let (failing, failed) = Probe::new(|_: Request<ScriptedBody>| {
        let mut response = Response::new(ScriptedBody::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Reply::Now(Ok(response))
    });
    let (inner, reached) = if fails { (failing, failed) } else { (healthy, reached) };
    let layer = BreakerLayer::builder().consecutive_failures(2).open_for(30 * SECOND);
    let layer = if readiness { layer.readiness() } else { layer };
    let layer = layer.protocol(Http::new()).build().unwrap();
    (layer.layer(inner), layer.handle(), reached)
}

/// A stack for the caller outside of the balancer, a breaker for each endpoint inside: an attempt that
/// meets the endpoint that fails is repeated, and once its circuit is open, none meets it any more.
#[tokio::test(start_paused = true)]
async fn a_retry_outside_the_balancer_finds_the_endpoint_that_works() {
    let (fails, circuit, failed) = endpoint(true, true);
    let (works, _, served) = endpoint(false, true);
    // The one that fails has the least load: it is asked as long as it is ready.
    let endpoints = [Constant::new(fails, 1), Constant::new(works, 2)];
    let balance = Balance::new(ServiceList::new::<Request<ScriptedBody>>(endpoints));
    let http = Http::new();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::builder().overall(5 * SECOND).protocol(http).build().unwrap())
        .layer(JitteredRetryLayer::builder().protocol(http).build().unwrap())
        .layer(BufferLayer::new(16))
        .service(balance);
    for call in 1..=20 {
        let response = service.clone().oneshot(get("/")).await.unwrap();
        assert_eq!(text(response).await, "the real thing", "call {call}");
    }
    assert_eq!((failed.calls(), served.calls()), (2, 20));
    assert_eq!(circuit.state(), CircuitState::Open);
}

/// With every circuit open the balancer is not ready, and the call waits within its own time: it is cut
/// by that, or is made when one is half-open.
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_balancer_that_has_nobody_within_its_time() {
    let (first, one, reached) = endpoint(false, true);
    let (second, other, also) = endpoint(false, true);
    let endpoints = [Constant::new(first, 1), Constant::new(second, 2)];
    let balance = Balance::new(ServiceList::new::<Request<ScriptedBody>>(endpoints));
    let inner = ServiceBuilder::new().layer(BufferLayer::new(16)).service(balance);
    let limit = |seconds: u32| {
        let limit = TimeoutLayer::builder().overall(seconds * SECOND).protocol(Http::new());
        limit.build().unwrap()
    };
    one.force_open();
    other.force_open();
    let error = limit(1).layer(inner.clone()).oneshot(get("/")).await.unwrap_err();
    let kind = Rejection::find(error.as_ref()).unwrap().kind();
    assert!(matches!(kind, RejectionKind::TimedOut { .. }), "{kind}");
    let waits = tokio::spawn(limit(60).layer(inner).oneshot(get("/")));
    tokio::time::advance(SECOND).await;
    assert_eq!((reached.calls(), also.calls()), (0, 0));
    other.resume();
    assert_eq!(text(waits.await.unwrap().unwrap()).await, "the real thing");
    assert_eq!((reached.calls(), also.calls()), (0, 1), "by the one that is half-open");
}

/// `Steer` picks by what the circuits say, a retry outside finds the other one.
#[tokio::test(start_paused = true)]
async fn steered_by_the_circuits_a_retry_goes_around_what_fails() {
    let (fails, circuit, failed) = endpoint(true, false);
    let (works, _, served) = endpoint(false, false);
    let primary = circuit.clone();
    let pick =
        move |_: &Request<_>, _: &[Endpoint]| usize::from(primary.state() != CircuitState::Closed);
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap())
        .layer(BufferLayer::new(16))
        .service(Steer::new([fails, works], pick));
    for _ in 0..5 {
        let response = service.clone().oneshot(get("/")).await.unwrap();
        assert_eq!(text(response).await, "the real thing");
    }
    assert_eq!((failed.calls(), served.calls()), (2, 5));
}
