//! The retry layer under the HTTP protocol: statuses, methods, hints and bodies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_http::Http;
use buttress_retry::{Jitter, JitteredRetryLayer};
use buttress_testkit::{
    BodyStep, Probe, ProbeHandle, Recorder, Reply, ScriptedBody, assert_pending, task,
};
use http::{Method, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

type Server = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

/// The drop flags of the bodies that were sent.
type Bodies = Arc<Mutex<Vec<Arc<AtomicBool>>>>;

/// A server that answers with these statuses in turn, the last one for ever, and this hint.
fn server(statuses: &'static [u16], hint: Option<&'static str>) -> (Server, ProbeHandle, Bodies) {
    let (calls, bodies) = (AtomicUsize::new(0), Bodies::default());
    let sent = Arc::clone(&bodies);
    let (probe, handle) = Probe::new(move |_request| {
        let call = calls.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
        let body = ScriptedBody::new([BodyStep::Data("the "), BodyStep::Data("body")]);
        sent.lock().unwrap().push(body.dropped());
        let mut response = Response::builder().status(statuses[call]);
        if let Some(hint) = hint {
            response = response.header(RETRY_AFTER, hint);
        }
        Reply::Now(Ok(response.body(body).unwrap()))
    });
    (probe, handle, bodies)
}

fn layer(recorder: &Recorder) -> JitteredRetryLayer<Http> {
    JitteredRetryLayer::builder()
        .protocol(Http::new())
        .jitter(Jitter::None)
        .observer(recorder.clone())
        .build()
        .unwrap()
}

fn request(method: Method) -> Request<ScriptedBody> {
    Request::builder().method(method).body(ScriptedBody::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn repeats_what_is_idempotent_until_it_is_served() {
    let (probe, handle, _bodies) = server(&[503, 502, 200], None);
    let response = layer(&Recorder::new()).layer(probe).oneshot(request(Method::GET)).await;
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    assert_eq!(handle.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unsafe_request_is_not_repeated_unless_marked() {
    let recorder = Recorder::new();
    let (probe, handle, _bodies) = server(&[503], None);
    let service = layer(&recorder).layer(probe);
    let response = service.clone().oneshot(request(Method::POST)).await.unwrap();
    assert_eq!((response.status(), handle.calls()), (StatusCode::SERVICE_UNAVAILABLE, 1));
    let expected = ["retry retry: gave up after 1: the request may not be sent twice"];
    assert_eq!(recorder.take(), expected);

    let mut marked = request(Method::POST);
    marked.headers_mut().insert("idempotency-key", "8e03978e".parse().unwrap());
    service.oneshot(marked).await.unwrap();
    assert_eq!(handle.calls(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_can_not_be_copied_is_not_repeated() {
    let (probe, handle, _bodies) = server(&[503], None);
    let streamed = Request::put("/").body(ScriptedBody::new([BodyStep::Data("once")])).unwrap();
    layer(&Recorder::new()).layer(probe).oneshot(streamed).await.unwrap();
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_failure_or_no_use_is_not_repeated() {
    for statuses in [&[200], &[404], &[500], &[501]] {
        let (probe, handle, _bodies) = server(statuses, None);
        let recorder = Recorder::new();
        layer(&recorder).layer(probe).oneshot(request(Method::GET)).await.unwrap();
        assert_eq!((handle.calls(), recorder.take().len()), (1, 0), "{statuses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_waited_for_up_to_a_limit() {
    for (hint, waited, calls) in [("7", 7, 2), ("30", 30, 2), ("31", 0, 1), ("31536000", 0, 1)] {
        let (probe, handle, _bodies) = server(&[429, 200], Some(hint));
        let start = Instant::now();
        layer(&Recorder::new()).layer(probe).oneshot(request(Method::GET)).await.unwrap();
        assert_eq!((start.elapsed().as_secs(), handle.calls()), (waited, calls), "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_bodies_are_dropped_before_the_wait_and_the_last_is_whole() {
    let (probe, _handle, bodies) = server(&[503], None);
    let mut call = task::spawn(layer(&Recorder::new()).layer(probe).call(request(Method::GET)));
    assert_pending!(call.poll());
    let dropped = || -> Vec<_> {
        bodies.lock().unwrap().iter().map(|body| body.load(Ordering::SeqCst)).collect()
    };
    assert_eq!(dropped(), [true], "while the timer runs");
    let start = Instant::now();
    let last = call.await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    assert_eq!(dropped(), [true, true, false]);
    assert_eq!(last.into_body().collect().await.unwrap().to_bytes(), "the body");
}
