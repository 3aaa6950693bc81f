//! Errors as gRPC says them: in the head where there is none yet, and else in the trailers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use buttress_core::{BoxError, Phase, Rejection, RejectionKind, Trip};
use buttress_http::{Http, RespondLayer, respond::Body as Responded};
use buttress_testkit::{
    BodyStep::{self, Data, Error, Hang, Panic, Trailers, Wait},
    Probe, Reply, ScriptedBody,
};
use buttress_timeout::TimeoutLayer;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use proptest::prelude::*;
use tokio::runtime::Builder;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn request(content_type: &str) -> Request<Empty<Bytes>> {
    Request::post("/").header(CONTENT_TYPE, content_type).body(Empty::new()).unwrap()
}

async fn refused(
    layer: RespondLayer,
    content_type: &str,
    error: fn() -> BoxError,
) -> Response<Responded<ScriptedBody>> {
    let (probe, _handle) = Probe::new(move |_| Reply::Now(Err(error())));
    layer.layer(probe).oneshot(request(content_type)).await.unwrap()
}

fn grpc<B>(body: B) -> Response<B> {
    Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
}

/// The body of a gRPC response that plays these steps.
async fn played(steps: impl IntoIterator<Item = BodyStep>) -> Responded<ScriptedBody> {
    let steps: Vec<_> = steps.into_iter().collect();
    let inner = service_fn(move |_: Request<Empty<Bytes>>| {
        let body = ScriptedBody::new(steps.clone());
        async move { Ok::<_, Infallible>(grpc(body)) }
    });
    let service = RespondLayer::new().layer(inner);
    service.oneshot(request("application/grpc")).await.unwrap().into_body()
}

fn rejection(kind: RejectionKind) -> BoxError {
    Rejection::new("layer", Arc::from("secret-name"), kind).into()
}

fn said(headers: &HeaderMap) -> (&str, &str) {
    let text = |name| headers.get(name).map_or("", |value| value.to_str().unwrap());
    (text("grpc-status"), text("grpc-message"))
}

const DEADLINE_EXCEEDED: (&str, &str) = ("4", "Deadline Exceeded");
const INTERNAL: (&str, &str) = ("13", "Internal");
const UNAVAILABLE: (&str, &str) = ("14", "Unavailable");

#[tokio::test]
async fn each_rejection_its_status() {
    let cases: [(fn() -> BoxError, _); 8] = [
        (
            || rejection(RejectionKind::TimedOut { phase: Phase::Overall, limit: SECOND }),
            DEADLINE_EXCEEDED,
        ),
        (|| rejection(RejectionKind::DeadlineExceeded { called: false }), DEADLINE_EXCEEDED),
        (
            || rejection(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) }),
            UNAVAILABLE,
        ),
        (
            || rejection(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }),
            UNAVAILABLE,
        ),
        (
            || {
                rejection(RejectionKind::QueueTimeout {
                    limit: 1,
                    in_flight: 1,
                    queued: 0,
                    waited: SECOND,
                })
            },
            UNAVAILABLE,
        ),
        (|| rejection(RejectionKind::Injected), UNAVAILABLE),
        (|| rejection(RejectionKind::UnknownCompartment { compartment: "x".into() }), INTERNAL),
        (|| "connection refused by 10.1.2.3".into(), UNAVAILABLE),
    ];
    let full_is_429 =
        RespondLayer::builder().when_full(StatusCode::TOO_MANY_REQUESTS).build().unwrap();
    for (error, status) in cases {
        let response = refused(full_is_429, "application/grpc+proto", error).await;
        let (head, body) = response.into_parts();
        assert_eq!((head.status, said(&head.headers)), (StatusCode::OK, status), "{}", error());
        assert_eq!(head.headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(head.headers.len(), 3, "nothing of the inside leaks");
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0), "trailers only");
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn a_rejection_is_found_however_deep() {
    let error = || -> BoxError {
        let inner = rejection(RejectionKind::DeadlineExceeded { called: true });
        std::io::Error::other(std::io::Error::other(inner)).into()
    };
    let response = refused(RespondLayer::new(), "application/grpc", error).await;
    assert_eq!(said(response.headers()), DEADLINE_EXCEEDED);
}

/// Whether it is gRPC is the request's to say.
#[tokio::test]
async fn what_is_not_grpc_is_answered_as_before() {
    for (content_type, grpc) in [
        ("application/grpc", true),
        ("application/grpc+json", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/json", false),
    ] {
        let response = refused(RespondLayer::new(), content_type, || "reset".into()).await;
        let status = if grpc { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        assert_eq!(response.status(), status, "{content_type}");
        assert_eq!(response.headers().contains_key("grpc-status"), grpc, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_with_trailers() {
    let mut body = played([Data("a"), Error("reset by 10.1.2.3"), Data("never")]).await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    assert!(!body.is_end_stream(), "the trailers are still to come");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((said(&trailers), trailers.len()), (UNAVAILABLE, 2));
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(body.frame().await.is_none());
}

/// The limit of a layer inside, which a gRPC client is to know as such.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_ends_with_the_status_of_the_cut() {
    let limit = TimeoutLayer::builder().overall(SECOND).protocol(Http::new()).build().unwrap();
    let inner = ScriptedBody::new([Data("a"), Data("b"), Hang]);
    let dropped = inner.dropped();
    let once = std::sync::Mutex::new(Some(inner));
    let (probe, _handle) = Probe::new(move |_: Request<Empty<Bytes>>| {
        Reply::Now(Ok(grpc(once.lock().unwrap().take().unwrap())))
    });
    let service = ServiceBuilder::new().layer(RespondLayer::new()).layer(limit).service(probe);
    let mut body = service.oneshot(request("application/grpc")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    // Its reader comes back after the end of the time: the frame wins, the status follows.
    tokio::time::sleep(SECOND).await;
    body.frame().await.unwrap().unwrap();
    assert!(!body.is_end_stream(), "the trailers are still to come");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(said(&trailers), DEADLINE_EXCEEDED);
    assert!(dropped.load(std::sync::atomic::Ordering::SeqCst));
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

#[tokio::test]
async fn nothing_is_said_after_the_trailers() {
    for after in [Error("late"), Trailers("grpc-status", "9"), Data("x"), Panic, Hang] {
        let mut body = played([Data("a"), Trailers("grpc-status", "0"), after]).await;
        body.frame().await.unwrap().unwrap();
        assert!(!body.is_end_stream());
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(said(&trailers), ("0", ""));
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
        assert!(body.frame().await.is_none());
    }
}

fn step() -> impl Strategy<Value = BodyStep> {
    prop_oneof![
        4 => Just(Data("data")),
        1 => (1..2000_u64).prop_map(|ms| Wait(Duration::from_millis(ms))),
        1 => Just(Error("broken")),
        1 => Just(Trailers("grpc-status", "0")),
    ]
}

/// What a server sees of a body until it has ended: before each frame whether that was all, and
/// the frame. A length is promised by none, for trailers may yet stand in for the rest.
async fn read(mut body: impl Body<Data = Bytes, Error = BoxError> + Unpin) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let end = body.is_end_stream();
        let (frame, last) = match body.frame().await {
            None => ("end".to_owned(), true),
            Some(Err(error)) => (format!("error {error}"), true),
            Some(Ok(frame)) => (format!("{frame:?}"), frame.is_trailers()),
        };
        seen.push(format!("{end} {frame}"));
        if last {
            return seen;
        }
    }
}

proptest! {
    /// But for the error that becomes trailers, a gRPC body is what it is without the layer.
    #[test]
    fn a_body_passes_unchanged_but_for_its_error(script in prop::collection::vec(step(), 0..8)) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let mut bare = read(ScriptedBody::new(script.clone())).await;
            let body = played(script).await;
            prop_assert_eq!(body.size_hint().exact().is_some(), body.is_end_stream());
            let seen = read(body).await;
            let last = bare.pop().unwrap();
            if let Some(end) = last.strip_suffix("error broken") {
                let trailers = HeaderMap::from_iter([
                    ("grpc-status".parse::<http::HeaderName>().unwrap(), "14".parse().unwrap()),
                    ("grpc-message".parse().unwrap(), "Unavailable".parse().unwrap()),
                ]);
                let trailers = http_body::Frame::<Bytes>::trailers(trailers);
                bare.push(format!("{end}{trailers:?}"));
            } else {
                bare.push(last);
            }
            prop_assert_eq!(seen, bare);
            Ok(())
        })?;
    }
}

/// gRPC knows no method but POST.
#[tokio::test]
async fn a_get_is_no_grpc_whatever_its_content_type_says() {
    let broken = tower::service_fn(async |_: Request<()>| {
        Err::<http::Response<ScriptedBody>, BoxError>("down".into())
    });
    let request = Request::get("/").header("content-type", "application/grpc").body(()).unwrap();
    let response = RespondLayer::new().layer(broken).oneshot(request).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::BAD_GATEWAY);
}

/// Trailers would make a page that breaks off look whole.
#[tokio::test]
async fn a_response_that_is_not_grpc_breaks_off_as_it_would() {
    let page = tower::service_fn(async |_: Request<()>| {
        let body = ScriptedBody::new([Data("half"), Error("reset")]);
        let page = http::Response::builder().header("content-type", "text/html");
        Ok::<_, BoxError>(page.body(body).unwrap())
    });
    let request = Request::post("/").header("content-type", "application/grpc").body(()).unwrap();
    let response = RespondLayer::new().layer(page).oneshot(request).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "reset");
}
