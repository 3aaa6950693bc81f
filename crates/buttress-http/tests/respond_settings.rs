//! What a caller is told is for whoever builds the layer to choose, and for the caller in which form.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Rejection, RejectionKind, Trip};
use buttress_http::RespondLayer;
use buttress_testkit::{BodyStep, Probe, Reply, ScriptedBody};
use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

type Sent = Request<Full<Bytes>>;

async fn answer(
    layer: RespondLayer,
    request: Sent,
    error: fn() -> BoxError,
) -> (StatusCode, HeaderMap, String) {
    let (probe, _handle) =
        Probe::new(move |_: Sent| Reply::<Response<Full<Bytes>>>::Now(Err(error())));
    let response = layer.layer(probe).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(text.to_vec()).unwrap())
}

fn plain(accept: &str) -> Sent {
    Request::get("/").header(ACCEPT, accept).body(Full::default()).unwrap()
}

fn grpc() -> Sent {
    Request::post("/").header(CONTENT_TYPE, "application/grpc").body(Full::default()).unwrap()
}

fn foreign() -> BoxError {
    std::io::Error::other("100 % of 10.1.2.3 is gone: \u{fc}\n").into()
}

fn full() -> BoxError {
    let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
    Rejection::new("bulkhead", Arc::from("pricing"), kind).into()
}

fn open() -> BoxError {
    let kind = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
    let rejection = Rejection::new("breaker", Arc::from("pr\"ic\u{ef}ng"), kind);
    rejection.with_retry_after(Duration::from_micros(1_500_001)).into()
}

#[tokio::test]
async fn problem_details_for_who_accepts_json() {
    let layer = RespondLayer::new();
    let (status, headers, text) = answer(layer, plain("application/json"), open).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        (&headers[VARY], &headers["retry-after"]),
        (&"accept".parse().unwrap(), &"2".parse().unwrap())
    );
    assert!(!headers.contains_key(CONTENT_LENGTH), "that is the server's");
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({ "title": "Service Unavailable", "status": 503 });
    assert_eq!(problem, expected, "nothing of the inside leaks");

    let (_, headers, text) = answer(layer, plain("*/*"), open).await;
    assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(headers[VARY], "accept", "another caller would have had another");
    assert_eq!(text, "Service Unavailable");
}

#[tokio::test]
async fn details_only_where_they_are_asked_for() {
    let layer = RespondLayer::builder().details().build().unwrap();
    let said = open().to_string();
    assert!(said.contains("pr\"ic\u{ef}ng") && said.contains("retry after"), "{said}");

    let (_, _, text) = answer(layer, plain("*/*"), open).await;
    assert_eq!(text, format!("Service Unavailable: {said}"));
    let (_, _, text) = answer(layer, plain("application/json"), open).await;
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["detail"], said);
    let (_, headers, _) = answer(layer, grpc(), foreign).await;
    assert_eq!(headers["grpc-message"], "100 %25 of 10.1.2.3 is gone: %C3%BC%0A");
}

/// Some clients take no more than 8 KiB of fields in all, and would lose the status with them.
#[tokio::test]
async fn details_are_short() {
    let layer = RespondLayer::builder().details().build().unwrap();
    let long = || std::io::Error::other("\u{e4}".repeat(8_000)).into();
    let (_, headers, _) = answer(layer, grpc(), long).await;
    assert_eq!(headers["grpc-message"].len(), 500 * "%C3%A4".len());
    let odd = || std::io::Error::other(format!("x{}", "\u{e4}".repeat(8_000))).into();
    let (_, _, text) = answer(layer, plain("*/*"), odd).await;
    assert_eq!(text.len(), "Bad Gateway: ".len() + 999, "cut between two letters");
}

/// A client's own word is often no more than that it failed.
#[tokio::test]
async fn details_name_the_causes() {
    #[derive(Debug)]
    struct Client(std::io::Error);
    impl std::fmt::Display for Client {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("client error")
        }
    }
    impl std::error::Error for Client {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let layer = RespondLayer::builder().details().build().unwrap();
    let error = || Client(std::io::Error::other("refused")).into();
    let (status, _, text) = answer(layer, plain("*/*"), error).await;
    assert_eq!((status.as_u16(), text.as_str()), (502, "Bad Gateway: client error: refused"));
}

#[tokio::test]
async fn statuses_and_codes_are_as_told() {
    let layer = RespondLayer::builder()
        .when_full(StatusCode::TOO_MANY_REQUESTS)
        .other_errors(StatusCode::INTERNAL_SERVER_ERROR)
        .grpc_when_full(8)
        .grpc_other_errors(13)
        .build()
        .unwrap();
    let code = async |error| {
        let (status, headers, text) = answer(layer, grpc(), error).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
        let text = |name| headers[name].to_str().unwrap().to_owned();
        (text("grpc-status"), text("grpc-message"))
    };
    assert_eq!(answer(layer, plain("*/*"), full).await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer(layer, plain("*/*"), foreign).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(layer, plain("*/*"), open).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(code(full).await, ("8".into(), "Resource Exhausted".into()));
    assert_eq!(code(foreign).await, ("13".into(), "Internal".into()));
    assert_eq!(code(open).await, ("14".into(), "Unavailable".into()));
}

/// What a layer has said of when to come back, in full milliseconds; without its word no guess.
#[tokio::test]
async fn grpc_is_told_when_to_come_back() {
    let layer = RespondLayer::new();
    let (_, headers, _) = answer(layer, grpc(), open).await;
    assert_eq!(headers["grpc-retry-pushback-ms"], "1501");
    let (_, headers, _) = answer(layer, grpc(), full).await;
    assert!(!headers.contains_key("grpc-retry-pushback-ms"));
}

/// What has begun to answer is not repeated, so its trailers do not say when; the code is as told.
#[tokio::test]
async fn trailers_in_place_of_an_error_are_as_told() {
    let (probe, _handle) = Probe::new(|_: Sent| {
        let steps = [BodyStep::Data("message"), BodyStep::Error("reset")];
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Reply::Now(Ok(response.body(ScriptedBody::new(steps)).unwrap()))
    });
    let layer = RespondLayer::builder().grpc_other_errors(15).details().build().unwrap();
    let response = layer.layer(probe).oneshot(grpc()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"15".parse().unwrap(), &"reset".parse().unwrap())
    );
    assert_eq!(trailers.len(), 2);
}

/// Nor where a layer has said when.
#[tokio::test]
async fn trailers_do_not_say_when_to_come_back() {
    /// Begins, and then finds the circuit open.
    struct Begins(bool);
    impl http_body::Body for Begins {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let begins = !std::mem::replace(&mut self.0, true);
            let frame = if begins { Ok(Frame::data("message".into())) } else { Err(open()) };
            Poll::Ready(Some(frame))
        }
    }
    let (probe, _handle) = Probe::new(|_: Sent| {
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Reply::Now(Ok(response.body(Begins(false)).unwrap()))
    });
    let response = RespondLayer::new().layer(probe).oneshot(grpc()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!((&trailers["grpc-status"], trailers.len()), (&"14".parse().unwrap(), 2));
}

#[test]
fn what_is_no_error_is_refused() {
    let builder = RespondLayer::builder;
    let setting = |builder: buttress_http::respond::RespondLayerBuilder| {
        builder.build().unwrap_err().setting()
    };
    assert_eq!(setting(builder().when_full(StatusCode::OK)), "when_full");
    assert_eq!(setting(builder().other_errors(StatusCode::FOUND)), "other_errors");
    assert_eq!(setting(builder().when_full(StatusCode::from_u16(600).unwrap())), "when_full");
    assert_eq!(setting(builder().grpc_when_full(0)), "grpc_when_full");
    assert_eq!(setting(builder().grpc_other_errors(17)), "grpc_other_errors");
    builder()
        .when_full(StatusCode::BAD_REQUEST)
        .grpc_when_full(1)
        .grpc_other_errors(16)
        .build()
        .unwrap();
}
