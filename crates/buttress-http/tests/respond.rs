//! Rejections as responses.

use std::{sync::Arc, time::Duration};

use buttress_core::{BoxError, Phase, Rejection, RejectionKind};
use buttress_http::RespondLayer;
use buttress_testkit::{
    Probe, Readiness, Reply, assert_future_traits, assert_layer_traits, assert_service_traits,
};
use bytes::Bytes;
use http::{Response, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

fn rejection(kind: RejectionKind) -> Rejection {
    Rejection::new("layer", Arc::from("secret-name"), kind)
}

/// How an error is made, and the status and the `Retry-After` that it becomes.
type Case = (fn() -> BoxError, u16, Option<&'static str>);

async fn answer(layer: RespondLayer, error: fn() -> BoxError) -> (u16, Option<String>, String) {
    let (probe, _handle) =
        Probe::new(move |_: ()| Reply::<Response<Full<Bytes>>>::Now(Err(error())));
    let response = layer.layer(probe).oneshot(()).await.unwrap();
    let retry_after = response.headers().get(RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, retry_after, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn each_rejection_its_response() {
    let cases: [Case; 9] = [
        (|| rejection(RejectionKind::CircuitOpen { failures: 5 }).into(), 503, Some("1")),
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
                rejection(RejectionKind::CircuitOpen { failures: 5 })
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
            || rejection(RejectionKind::QueueTimeout { limit: 1, waited: Duration::ZERO }).into(),
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
    let layer = RespondLayer::new().when_full(StatusCode::TOO_MANY_REQUESTS).unwrap();
    let error = || -> BoxError {
        rejection(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }).into()
    };
    assert_eq!(answer(layer, error).await.0, 429);
    let error = RespondLayer::new().when_full(StatusCode::OK).unwrap_err();
    assert_eq!(error.setting(), "when_full");
}

#[tokio::test]
async fn a_broken_service_is_a_response_too() {
    let (probe, handle) =
        Probe::new(|_: ()| Reply::Now(Ok(Response::new(Full::<Bytes>::default()))));
    handle.set_readiness(Readiness::Broken);
    let mut service = RespondLayer::new().layer(probe);
    let response = service.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(handle.calls(), 0);
}

#[tokio::test]
async fn responses_pass_unchanged() {
    let (probe, _handle) = Probe::new(|_: ()| {
        let response = Response::builder().status(503).header("x", "y");
        Reply::Now(Ok(response.body(Full::<Bytes>::from("its own")).unwrap()))
    });
    let layer = RespondLayer::new();
    assert_layer_traits(&layer);
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    let call = service.call(());
    assert_future_traits(&call);
    let response = call.await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x"]),
        (503, &"y".parse().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "its own");
}
