//! Under gRPC the breaker's verdict is open until the trailers have come.

use std::{future::ready, time::Duration};

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer};
use buttress_core::{BoxError, CircuitState, Judgement, Rejection};
use buttress_http::{Grpc, Http};
use buttress_testkit::{
    BodyStep::{self, Data, Error, Trailers},
    Probe, Reply, ScriptedBody,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};

const CLOSED: CircuitState = CircuitState::Closed;
const OPEN: CircuitState = CircuitState::Open;

/// The `grpc-status` in the head, if there, and the body.
type Script = (Option<&'static str>, Vec<BodyStep>);
type Inner = Probe<Script, Response<ScriptedBody>>;

fn inner() -> Inner {
    let (probe, _handle) = Probe::new(|(status, steps): Script| {
        let mut response = Response::new(ScriptedBody::new(steps));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Some(status) = status {
            headers.insert("grpc-status", HeaderValue::from_static(status));
        }
        Reply::Now(Ok(response))
    });
    probe
}

/// A breaker that one failure opens.
fn breaker() -> (Breaker<Inner, Http>, BreakerHandle) {
    let builder = BreakerLayer::builder().consecutive_failures(1);
    let layer = builder.protocol(Http::new()).build().unwrap();
    (layer.layer(inner()), layer.handle())
}

/// The states after the head, and after the end.
async fn states(status: Option<&'static str>, steps: &[BodyStep]) -> [CircuitState; 2] {
    let (mut service, handle) = breaker();
    let response = service.call((status, steps.to_vec())).await.unwrap();
    let after_head = handle.state();
    let _ = response.into_body().collect().await;
    [after_head, handle.state()]
}

#[tokio::test(start_paused = true)]
async fn the_trailers_decide() {
    let with = |code| [Data("message"), Trailers("grpc-status", code)];
    assert_eq!(states(None, &with("0")).await, [CLOSED, CLOSED]);
    assert_eq!(states(None, &with("5")).await, [CLOSED, CLOSED]);
    assert_eq!(states(None, &with("14")).await, [CLOSED, OPEN]);
    assert_eq!(states(None, &with("garbage")).await, [CLOSED, OPEN]);
    assert_eq!(states(None, &[Data("m"), Trailers("x", "y")]).await, [CLOSED, OPEN]);
    assert_eq!(states(None, &[Data("m"), Error("reset")]).await, [CLOSED, OPEN]);
    assert_eq!(states(None, &[Data("m")]).await, [CLOSED, OPEN], "no trailers");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_all_there_is_decides() {
    assert_eq!(states(Some("0"), &[]).await, [CLOSED, CLOSED]);
    assert_eq!(states(Some("14"), &[]).await, [OPEN, OPEN]);
    assert_eq!(states(None, &[]).await, [OPEN, OPEN], "nor is there a status to come");
}

/// A breaker that two failures in a row open, after one; then this call, and another failure.
async fn between_failures(steps: Vec<BodyStep>, frames: usize) -> CircuitState {
    let layer = BreakerLayer::builder().consecutive_failures(2).protocol(Http::new());
    let layer = layer.build().unwrap();
    let mut service = layer.layer(inner());
    service.call((Some("14"), vec![])).await.unwrap();
    let mut body = service.call((None, steps)).await.unwrap().into_body();
    for _ in 0..frames {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    assert_eq!(layer.handle().state(), CLOSED);
    service.call((Some("14"), vec![])).await.unwrap();
    layer.handle().state()
}

/// As under HTTP: a reader who leaves has seen no more than the head.
#[tokio::test(start_paused = true)]
async fn a_body_dropped_before_its_trailers_is_what_its_head_said() {
    let steps = vec![Data("m"), Trailers("grpc-status", "14")];
    assert_eq!(between_failures(steps, 1).await, CLOSED, "a success between two failures");
}

#[tokio::test(start_paused = true)]
async fn a_neutral_status_leaves_the_row_as_it_is() {
    for (code, state) in [("0", CLOSED), ("12", OPEN), ("8", OPEN), ("1", OPEN)] {
        let steps = vec![Data("m"), Trailers("grpc-status", code)];
        assert_eq!(between_failures(steps, 2).await, state, "{code}");
    }
}

/// The classifier has the head, the trailers have their say.
#[tokio::test(start_paused = true)]
async fn a_classifier_of_heads_keeps_the_trailers() {
    for (code, state) in [("0", CLOSED), ("14", OPEN)] {
        let builder = BreakerLayer::builder().consecutive_failures(1).protocol(Http::new());
        let judges = |_: Result<&Response<ScriptedBody>, &BoxError>| Judgement::SUCCESS;
        let layer = builder.classify(judges).build().unwrap();
        let steps = vec![Data("m"), Trailers("grpc-status", code)];
        let response = layer.layer(inner()).call((None, steps)).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(layer.handle().state(), state, "{code}");
    }
}

/// A server that says in its trailers when it will be back is believed as one that says it in a head.
#[tokio::test(start_paused = true)]
async fn a_pushback_in_the_trailers_is_the_open_time() {
    let layer =
        BreakerLayer::builder().consecutive_failures(1).protocol(Grpc::new()).build().unwrap();
    let (probe, _handle) = Probe::new(|(): ()| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("14"));
        trailers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("7000"));
        let body = Full::<Bytes>::from("message").with_trailers(ready(Some(Ok(trailers))));
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Reply::Now(Ok(response.body(body).unwrap()))
    });
    let mut service = layer.layer(probe);
    service.call(()).await.unwrap().into_body().collect().await.unwrap();
    let refused = service.call(()).await.map(drop).unwrap_err();
    let refused = Rejection::find(refused.as_ref()).unwrap();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(7)));
}
