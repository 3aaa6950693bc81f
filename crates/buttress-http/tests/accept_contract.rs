//! tower's contract, kept by the layer that accepts deadlines, and what runs under them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::{AcceptDeadlineLayer, Http};
use buttress_testkit::{
    BodyStep, Probe, ProbeHandle, Readiness, Reply, ScriptedBody, assert_future_traits,
    assert_layer_traits, assert_pending, assert_ready, assert_service_traits, task,
};
use buttress_timeout::TimeoutLayer;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance, sleep, timeout};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

const SECOND: Duration = Duration::from_secs(1);

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

fn with(headers: &[(&str, &[u8])]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

fn saying(millis: u64) -> Request<()> {
    with(&[("x-request-timeout-ms", millis.to_string().as_bytes())])
}

fn probe(
    reply: impl Fn() -> Reply<Response<Full<Bytes>>> + Send + Sync + 'static,
) -> (Probe<Request<()>, Response<Full<Bytes>>>, ProbeHandle) {
    Probe::new(move |_| reply())
}

fn hangs() -> (Probe<Request<()>, Response<Full<Bytes>>>, ProbeHandle) {
    probe(|| Reply::Never)
}

fn answers() -> (Probe<Request<()>, Response<Full<Bytes>>>, ProbeHandle) {
    probe(|| Reply::Now(Ok(Response::new(Full::from("text")))))
}

/// What is called, polled or dropped inside runs under the deadline, the body too.
#[tokio::test(start_paused = true)]
async fn everything_inside_is_under_the_deadline() {
    struct Sees(Option<Deadline>);
    impl Sees {
        fn check(&self) {
            assert!(self.0.is_some() && self.0 == Deadline::current());
        }
    }
    impl Drop for Sees {
        fn drop(&mut self) {
            // A second panic would end the whole test program.
            if !std::thread::panicking() {
                self.check();
            }
        }
    }
    impl Body for Sees {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.check();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }
    #[derive(Clone)]
    struct Inner;
    impl Service<Request<()>> for Inner {
        type Response = Response<Sees>;
        type Error = Infallible;
        type Future = Answer;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            assert!(Deadline::current().is_some(), "when asked whether it is ready");
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<()>) -> Answer {
            assert!(Deadline::current().is_some(), "in the call");
            Answer(Sees(Deadline::current()), request.uri() == "/hangs")
        }
    }
    struct Answer(Sees, bool);
    impl Future for Answer {
        type Output = Result<Response<Sees>, Infallible>;
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            self.0.check();
            if self.1 {
                return Poll::Pending;
            }
            Poll::Ready(Ok(Response::new(Sees(Deadline::current()))))
        }
    }
    let mut service = AcceptDeadlineLayer::new().layer(Inner);
    let mut answered = task::spawn(service.call(saying(1_000)));
    let mut body = assert_ready!(answered.poll()).unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let unread = service.call(saying(1_000)).await.unwrap();
    drop(unread);

    let hangs = || {
        let mut request = saying(1_000);
        *request.uri_mut() = "/hangs".parse().unwrap();
        request
    };
    let mut dropped = task::spawn(service.call(hangs()));
    assert_pending!(dropped.poll());
    drop(dropped);
    drop(service.call(hangs()));
    assert_eq!(Deadline::current(), None, "the scope was left");
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready_and_waits_inside_the_call() {
    let (probe, handle) = answers();
    let mut service = AcceptDeadlineLayer::new().layer(probe);
    for _ in 0..3 {
        service.ready().await.unwrap().call(saying(9)).await.unwrap();
    }
    service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));

    handle.set_readiness(Readiness::Pending);
    let mut call = task::spawn(service.ready().await.unwrap().call(saying(9)));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    call.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one() {
    let (probe, handle) = hangs();
    let mut service = AcceptDeadlineLayer::new().layer(probe);
    drop(service.call(saying(9)));
    let mut polled = task::spawn(service.call(Request::new(())));
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));

    handle.set_readiness(Readiness::Pending);
    let mut waiting = task::spawn(service.call(saying(9)));
    assert_pending!(waiting.poll());
    drop(waiting);
    assert_eq!((handle.calls(), handle.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_go_through() {
    let (probe, handle) = probe(|| Reply::Now(Err("inner".into())));
    let mut service = AcceptDeadlineLayer::new().layer(probe);
    let error = service.call(saying(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    assert!(Rejection::find(error.as_ref()).is_none());
    handle.set_readiness(Readiness::Broken);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = service.call(saying(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");

    for panics in [|| Reply::Panic, || Reply::PanicInCall] {
        let (probe, handle) = self::probe(panics);
        let service = AcceptDeadlineLayer::new().layer(probe);
        let call = tokio::spawn(async move { service.oneshot(saying(9)).await });
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(Deadline::current(), None, "the scope was left");
        assert_eq!(handle.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_outlives_a_queue() {
    let inner = service_fn(|request: Request<()>| {
        assert_eq!(Deadline::current(), None, "the worker of the buffer has none");
        let carried = *request.extensions().get::<Deadline>().expect("the request has it");
        assert_eq!(carried.remaining(), SECOND);
        async {
            sleep(SECOND / 4).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("text")))
        }
    });
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(AcceptDeadlineLayer::new())
                .layer(BufferLayer::new(8))
                .layer(ConcurrencyLimitLayer::new(4)),
        ))
        .service(inner);
    let calls: Vec<_> =
        (0..4).map(|_| tokio::spawn(service.clone().oneshot(saying(1_000)))).collect();
    for call in calls {
        let body = call.await.unwrap().unwrap().into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "text");
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_cut() {
    let (probe, _handle) =
        probe(|| Reply::After(SECOND * 3, Ok(Response::new(Full::from("late")))));
    let start = Instant::now();
    let response = AcceptDeadlineLayer::new().layer(probe).oneshot(saying(1_000)).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "late");
    assert_eq!(start.elapsed(), SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_cuts_the_body_as_well() {
    let inner = service_fn(async |_: Request<()>| {
        let steps = [BodyStep::Data("head"), BodyStep::Hang];
        Ok::<_, Infallible>(Response::new(ScriptedBody::new(steps)))
    });
    let limit = TimeoutLayer::builder().protocol(Http::new()).build().unwrap();
    let service = AcceptDeadlineLayer::new().layer(limit.layer(inner));
    let start = Instant::now();
    let body = service.oneshot(saying(1_000)).await.unwrap().into_body();
    let error = timeout(SECOND * 9, body.collect()).await.expect("it is cut").unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn time_counts_from_the_call_on() {
    let (probe, handle) = hangs();
    handle.set_readiness(Readiness::Pending);
    let limit = TimeoutLayer::builder().protocol(Http::new()).build().unwrap();
    let mut service = AcceptDeadlineLayer::new().layer(limit.layer(probe));
    let start = Instant::now();
    let call = service.call(saying(1_000));
    // Neither what passes before the first poll nor the wait for readiness is given back.
    advance(SECOND / 4).await;
    let mut call = task::spawn(call);
    assert_pending!(call.poll());
    advance(SECOND / 4).await;
    handle.set_readiness(Readiness::Ready);
    let error = timeout(SECOND * 9, call).await.expect("it is cut").unwrap_err();
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: true });
}

#[tokio::test]
async fn auto_traits_and_debug() {
    let layer = AcceptDeadlineLayer::new();
    assert_layer_traits(&layer);
    assert_service_traits(&layer.handle());
    let (probe, _handle) = answers();
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    let call = service.call(saying(9));
    assert_future_traits(&call);
    let texts = [
        format!("{layer:?}"),
        format!("{:?}", AcceptDeadlineLayer::builder()),
        format!("{service:?}"),
        format!("{:?}", layer.handle()),
    ];
    assert!(texts.iter().all(|text| text.contains("accept-deadline")), "{texts:?}");
    assert_eq!(format!("{call:?}"), "ResponseFuture { .. }");
    service.get_mut();
    assert!(format!("{:?}", service.get_ref()).starts_with("Probe"));
}

/// It cuts nothing, but what is ready only when the time is up is refused as what comes then is;
/// and if the deadline is another's, it is his to say so.
#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_refused() {
    for (late, called) in [(0, true), (1, false)] {
        let (probe, handle) = answers();
        handle.set_readiness(Readiness::Pending);
        let layer = AcceptDeadlineLayer::new();
        let mut call = task::spawn(layer.layer(probe).call(saying(1_000)));
        advance(SECOND).await;
        assert_pending!(call.poll());
        advance(Duration::from_millis(late)).await;
        handle.set_readiness(Readiness::Ready);
        assert!(call.is_woken());
        let result = assert_ready!(call.poll());
        assert_eq!((result.is_ok(), handle.calls()), (called, usize::from(called)));
        if let Err(error) = result {
            assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
        }
        assert_eq!((layer.handle().snapshot().refused, handle.reserved()), (late, 0));
    }

    let (probe, handle) = answers();
    handle.set_readiness(Readiness::Pending);
    let layer = AcceptDeadlineLayer::new();
    let outside = TimeoutLayer::builder().overall(SECOND).name("outside").build().unwrap();
    let mut call = task::spawn(outside.layer(layer.layer(probe)).call(saying(1_000)));
    assert_pending!(call.poll());
    advance(SECOND * 2).await;
    handle.set_readiness(Readiness::Ready);
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "outside");
    assert_eq!((handle.calls(), layer.handle().snapshot().refused), (0, 0));
}
