//! The retry layer under the HTTP protocol: statuses, methods, hints and bodies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_core::Attempt;
use buttress_http::{ENVOY_ATTEMPT_COUNT, Http, Repeatable};
use buttress_retry::{Backoff, Jitter, JitteredRetryLayer};
use buttress_testkit::{
    BodyStep, Probe, ProbeHandle, Recorder, Reply, ScriptedBody, assert_pending, task,
};
use http::{Method, Request, Response, StatusCode, Version, header::RETRY_AFTER};
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

/// What a connection of HTTP/1 needs before it can be used again is read, but not for long.
#[tokio::test(start_paused = true)]
async fn a_short_rest_is_read_before_a_failed_body_is_dropped() {
    let ms = Duration::from_millis;
    let big = BodyStep::Data(Box::leak("x".repeat(16 * 1024 + 1).into_boxed_str()));
    let small = || BodyStep::Data("why");
    let slow = |by| vec![small(), BodyStep::Wait(ms(by)), small()];
    let trailers = vec![small(), BodyStep::Trailers("x-checksum", "1")];
    let (h1, h2) = (Version::HTTP_11, Version::HTTP_2);
    // When it is dropped, and whether it was read to its end by then.
    for (n, (steps, version, dropped, read)) in [
        (vec![small()], h1, 0, true),
        (trailers, h1, 0, true),
        (slow(40), h1, 40, true),
        (slow(49), h1, 49, true),
        (slow(60), h1, 50, false),
        (vec![small(), BodyStep::Hang], h1, 50, false),
        (vec![small(), BodyStep::Error("reset")], h1, 0, true),
        (vec![BodyStep::Wait(ms(10)), big.clone(), small()], h1, 10, false),
        (vec![big], h1, 0, false),
        (slow(40), h2, 0, false),
        (slow(40), Version::HTTP_10, 0, false),
        (vec![BodyStep::Data(""); 300], h1, 0, false),
    ]
    .into_iter()
    .enumerate()
    {
        let body = ScriptedBody::new(steps);
        let (flag, left) = (body.dropped(), body.left());
        let body = Mutex::new(Some(body));
        let (probe, handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let body = body.lock().unwrap().take().unwrap_or_default();
            Reply::Now(Ok(Response::builder().status(503).version(version).body(body).unwrap()))
        });
        let mut call = task::spawn(layer(&Recorder::new()).layer(probe).call(request(Method::GET)));
        let mut at = 0;
        assert_pending!(call.poll());
        while !flag.load(Ordering::SeqCst) {
            tokio::time::advance(ms(1)).await;
            at += 1;
            assert_pending!(call.poll(), "it waits for a tenth of a second");
        }
        assert_eq!((at, left.load(Ordering::SeqCst) == 0), (dropped, read), "body {n}");
        assert_eq!(handle.calls(), 1);
    }
}

/// A connection that is closed in any case is not worth it.
#[tokio::test(start_paused = true)]
async fn no_rest_is_read_over_a_connection_that_closes() {
    for (connection, reads) in [
        ("close", false),
        ("Close", false),
        ("x-hop, close", false),
        ("keep-alive", true),
        ("closed", true),
    ] {
        let body = ScriptedBody::new([BodyStep::Hang]);
        let (flag, body) = (body.dropped(), Mutex::new(Some(body)));
        let (probe, _handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let body = body.lock().unwrap().take().unwrap_or_default();
            let response = Response::builder().status(503).header("connection", connection);
            Reply::Now(Ok(response.body(body).unwrap()))
        });
        let mut call = task::spawn(layer(&Recorder::new()).layer(probe).call(request(Method::GET)));
        assert_pending!(call.poll());
        assert_eq!(!flag.load(Ordering::SeqCst), reads, "{connection}");
    }
}

/// What is still being read when the wait is over is dropped, and does not hold up the attempt; and
/// without a wait there is no time to read it.
#[tokio::test(start_paused = true)]
async fn a_rest_is_read_no_longer_than_the_wait() {
    for wait in [Duration::from_millis(20), Duration::ZERO] {
        let (calls, body) = (AtomicUsize::new(0), ScriptedBody::new([BodyStep::Hang]));
        let (flag, body) = (body.dropped(), Mutex::new(Some(body)));
        let (probe, _handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            let body = body.lock().unwrap().take().unwrap_or_default();
            assert!(first || flag.load(Ordering::SeqCst), "dropped before the next attempt");
            let status = if first { 503 } else { 200 };
            Reply::Now(Ok(Response::builder().status(status).body(body).unwrap()))
        });
        let soon = JitteredRetryLayer::builder()
            .backoff(Backoff::function(move |_| wait, Duration::MAX))
            .jitter(Jitter::None)
            .protocol(Http::new());
        let start = Instant::now();
        soon.build().unwrap().layer(probe).oneshot(request(Method::GET)).await.unwrap();
        assert_eq!(start.elapsed(), wait);
    }
}

/// What an attempt says of itself, and how often it failed before it served.
#[tokio::test(start_paused = true)]
async fn each_attempt_carries_its_number() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&seen);
    let (probe, _handle) = Probe::new(move |request: Request<ScriptedBody>| {
        let attempt = *request.extensions().get::<Attempt>().expect("each carries it");
        let headers: Vec<_> = request.headers().iter().map(|(_, value)| value.clone()).collect();
        witness.lock().unwrap().push((attempt.number, attempt.of, headers));
        Reply::Now(Ok(Response::builder().status(503).body(ScriptedBody::default()).unwrap()))
    });
    let builder = || JitteredRetryLayer::builder().jitter(Jitter::None);
    let bare = builder().protocol(Http::new()).build().unwrap();
    bare.layer(probe.clone()).oneshot(request(Method::GET)).await.unwrap();
    let expected = [(1, 3, vec![]), (2, 3, vec![]), (3, 3, vec![])];
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);

    let http = Http::new().attempt_header(&ENVOY_ATTEMPT_COUNT);
    let named = builder().max_attempts(2).protocol(http).build().unwrap();
    let mut spoofed = request(Method::GET);
    spoofed.headers_mut().append(&ENVOY_ATTEMPT_COUNT, "9".parse().unwrap());
    spoofed.headers_mut().append(&ENVOY_ATTEMPT_COUNT, "8".parse().unwrap());
    named.layer(probe.clone()).oneshot(spoofed).await.unwrap();
    let value = |text: &str| vec![text.parse::<http::HeaderValue>().unwrap()];
    let expected = [(1, 2, value("1")), (2, 2, value("2"))];
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_be_marked_as_repeatable() {
    let (probe, handle, _bodies) = server(&[503], None);
    let mut marked = request(Method::POST);
    marked.extensions_mut().insert(Repeatable);
    layer(&Recorder::new()).layer(probe).oneshot(marked).await.unwrap();
    assert_eq!(handle.calls(), 3, "and its copies are marked, too");
}

/// A POST may be repeated where the error proves that it was never sent.
#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_repeated_whatever_it_is() {
    #[derive(Debug)]
    struct NotConnected;
    impl std::fmt::Display for NotConnected {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("not connected")
        }
    }
    impl std::error::Error for NotConnected {}

    let http = Http::new().unsent(|error| error.downcast_ref::<NotConnected>().is_some());
    for (wrapped, asked, calls) in [(false, http, 3), (false, Http::new(), 1), (true, http, 1)] {
        let (probe, handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let error = NotConnected;
            Reply::<Response<ScriptedBody>>::Now(Err(if wrapped {
                std::io::Error::other(error).into()
            } else {
                error.into()
            }))
        });
        let layer = JitteredRetryLayer::builder().protocol(asked).build().unwrap();
        layer.layer(probe).oneshot(request(Method::POST)).await.unwrap_err();
        assert_eq!(handle.calls(), calls);
    }
}

/// gRPC's own words for "not now": a response that is its head alone.
#[tokio::test(start_paused = true)]
async fn a_grpc_pushback_is_waited_for_and_a_negative_one_stops() {
    for (status, pushback, waited, calls) in [
        ("14", None, 100, 2),
        ("14", Some("700"), 700, 2),
        ("14", Some("-1"), 0, 1),
        ("14", Some("soon"), 0, 1),
        ("14", Some("30001"), 0, 1),
        ("8", None, 0, 1),
        ("8", Some("700"), 700, 2),
        ("13", Some("700"), 0, 1),
        ("0", None, 0, 1),
    ] {
        let served = AtomicBool::new(false);
        let (probe, handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let again = served.swap(true, Ordering::SeqCst);
            let mut response = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", if again { "0" } else { status });
            if let Some(pushback) = pushback {
                response = response.header("grpc-retry-pushback-ms", pushback);
            }
            Reply::Now(Ok(response.body(ScriptedBody::default()).unwrap()))
        });
        let mut marked = request(Method::POST);
        marked.extensions_mut().insert(Repeatable);
        let start = Instant::now();
        layer(&Recorder::new()).layer(probe).oneshot(marked).await.unwrap();
        let seen = (start.elapsed().as_millis(), handle.calls());
        assert_eq!(seen, (waited, calls), "{status} {pushback:?}");
    }
}
