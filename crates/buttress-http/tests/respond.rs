//! Rejections as responses.

use std::{sync::Arc, time::Duration};

use buttress_core::{BoxError, Phase, Rejection, RejectionKind, Trip};
use buttress_http::RespondLayer;
use buttress_testkit::{
    BodyStep, Probe, Readiness, Reply, ScriptedBody, assert_future_traits, assert_layer_traits,
    assert_service_traits,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt};

type Sent = Request<Empty<Bytes>>;

fn rejection(kind: RejectionKind) -> Rejection {
    Rejection::new("layer", Arc::from("secret-name"), kind)
}

/// How an error is made, and the status and the `Retry-After` that it becomes.
type Case = (fn() -> BoxError, u16, Option<&'static str>);

async fn answer(layer: RespondLayer, error: fn() -> BoxError) -> (u16, Option<String>, String) {
    let (probe, _handle) =
        Probe::new(move |_: Sent| Reply::<Response<Full<Bytes>>>::Now(Err(error())));
    let response = layer.layer(probe).oneshot(Sent::default()).await.unwrap();
    let retry_after = response.headers().get(RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, retry_after, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn each_rejection_its_response() {
    let cases: [Case; 9] = [
        (
            || rejection(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) }).into(),
            503,
            Some("1"),
        ),
        (
            || {
                let limit = Duration::from_secs(1);
                rejection(RejectionKind::TimedOut { phase: Phase::Overall, limit }).into()
            },
            504,
            None,
        ),
        (|| rejection(RejectionKind::DeadlineExceeded { called: false }).into(), 504, None),
        (
            || {
                rejection(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) })
                    .with_retry_after(Duration::from_millis(1_001))
                    .into()
            },
            503,
            Some("2"),
        ),
        (
            || rejection(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }).into(),
            503,
            Some("1"),
        ),
        (
            || {
                rejection(RejectionKind::QueueTimeout {
                    limit: 1,
                    in_flight: 1,
                    queued: 0,
                    waited: Duration::ZERO,
                })
                .into()
            },
            503,
            Some("1"),
        ),
        (|| rejection(RejectionKind::Injected).into(), 503, None),
        (
            || rejection(RejectionKind::UnknownCompartment { compartment: "x".into() }).into(),
            500,
            None,
        ),
        (|| "connection refused by 10.1.2.3".into(), 502, None),
    ];
    for (error, status, retry_after) in cases {
        let (seen, hint, text) = answer(RespondLayer::new(), error).await;
        assert_eq!((seen, hint.as_deref()), (status, retry_after), "{}", error());
        let reason = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
        assert_eq!(text, reason, "nothing of the inside leaks");
    }
}

#[tokio::test]
async fn a_rejection_is_found_however_deep() {
    let error = || -> BoxError {
        let kind = RejectionKind::DeadlineExceeded { called: true };
        let inner = std::io::Error::other(rejection(kind));
        std::io::Error::other(inner).into()
    };
    assert_eq!(answer(RespondLayer::new(), error).await.0, 504);
}

#[tokio::test]
async fn full_can_be_429_and_never_a_success() {
    let layer = RespondLayer::builder().when_full(StatusCode::TOO_MANY_REQUESTS).build().unwrap();
    let error = || -> BoxError {
        rejection(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }).into()
    };
    assert_eq!(answer(layer, error).await.0, 429);
    let error = RespondLayer::builder().when_full(StatusCode::OK).build().unwrap_err();
    assert_eq!(error.setting(), "when_full");
}

#[tokio::test]
async fn a_broken_service_is_a_response_too() {
    let (probe, handle) =
        Probe::new(|_: Sent| Reply::Now(Ok(Response::new(Full::<Bytes>::default()))));
    handle.set_readiness(Readiness::Broken);
    let mut service = RespondLayer::new().layer(probe);
    let response = service.ready().await.unwrap().call(Sent::default()).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(handle.calls(), 0);
}

#[tokio::test]
async fn responses_pass_unchanged() {
    let (probe, _handle) = Probe::new(|_: Sent| {
        let response = Response::builder().status(503).header("x", "y");
        Reply::Now(Ok(response.body(Full::<Bytes>::from("its own")).unwrap()))
    });
    let layer = RespondLayer::new();
    assert_layer_traits(&layer);
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    let call = service.call(Sent::default());
    assert_future_traits(&call);
    let response = call.await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x"]),
        (503, &"y".parse().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "its own");
}

/// An error of the body passes once, and then there is nothing; what comes before is as it was.
#[tokio::test]
async fn a_body_that_breaks_off_does_so_once() {
    let steps = [BodyStep::Data("a"), BodyStep::Error("reset"), BodyStep::Data("never")];
    let (probe, _handle) =
        Probe::new(move |_: Sent| Reply::Now(Ok(Response::new(ScriptedBody::new(steps.clone())))));
    let response = RespondLayer::new().layer(probe).oneshot(Sent::default()).await.unwrap();
    let mut body = response.into_body();
    assert_future_traits(&body);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    assert!(!body.is_end_stream() && body.size_hint().exact().is_none());
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "reset");
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(body.frame().await.is_none());
}

/// Servers write `Content-Length` by the hint, and do not ask a body that has ended.
#[tokio::test]
async fn the_hints_are_those_of_the_body() {
    let (probe, handle) = Probe::new(|_: Sent| {
        Reply::Now(Ok(Response::new(ScriptedBody::new([BodyStep::Data("four")]))))
    });
    let service = RespondLayer::new().layer(probe);
    let mut body = service.clone().oneshot(Sent::default()).await.unwrap().into_body();
    assert!(!body.is_end_stream() && body.size_hint().exact() == Some(4));
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(body.frame().await.is_none());

    handle.set_readiness(Readiness::Broken);
    let mut body = service.oneshot(Sent::default()).await.unwrap().into_body();
    assert!(!body.is_end_stream() && body.size_hint().exact() == Some(11));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "Bad Gateway");
    assert!(body.is_end_stream() && body.frame().await.is_none());
}
