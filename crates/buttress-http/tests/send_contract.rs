//! tower's contract, kept by the layer that sends deadlines, and what runs under them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::SendDeadlineLayer;
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Reply, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use buttress_timeout::TimeoutLayer;
use http::Request;
use tokio::time::sleep;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLIS: &str = "x-request-timeout-ms";

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

/// A service that answers with the head of the request.
fn echo() -> (Probe<Request<()>, Request<()>>, ProbeHandle) {
    Probe::new(|request| Reply::Now(Ok(request)))
}

/// What is asked, called, polled or dropped inside runs under the deadline, also where only the
/// request has one.
#[tokio::test(start_paused = true)]
async fn everything_inside_is_under_the_deadline() {
    struct Sees(Option<Deadline>);
    impl Drop for Sees {
        fn drop(&mut self) {
            // A second panic would end the whole test program.
            let sees = self.0.is_some() && self.0 == Deadline::current();
            assert!(sees || std::thread::panicking());
        }
    }
    #[derive(Clone)]
    struct Inner;
    impl Service<Request<bool>> for Inner {
        type Response = ();
        type Error = Infallible;
        type Future = Answer;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            assert!(Deadline::current().is_some(), "when asked whether it is ready");
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<bool>) -> Answer {
            assert!(Deadline::current().is_some(), "in the call");
            Answer(Sees(Deadline::current()), *request.body())
        }
    }
    struct Answer(Sees, bool);
    impl Future for Answer {
        type Output = Result<(), Infallible>;
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            assert!(self.0.0 == Deadline::current());
            if self.1 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }
    }
    let mut service = SendDeadlineLayer::new().layer(Inner);
    let request = |hangs| {
        let mut request = Request::new(hangs);
        request.extensions_mut().insert(Deadline::after(SECOND));
        request
    };
    let mut answered = task::spawn(service.call(request(false)));
    assert_ready!(answered.poll()).unwrap();
    let mut dropped = task::spawn(service.call(request(true)));
    assert_pending!(dropped.poll());
    drop(dropped);
    drop(service.call(request(true)));
    assert_eq!(Deadline::current(), None, "the scope was left");
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = echo();
    let mut service = SendDeadlineLayer::new().layer(probe);
    for _ in 0..3 {
        service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    }
    service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one() {
    let (probe, handle) = Probe::new(|_: Request<()>| Reply::<()>::Never);
    let mut service = SendDeadlineLayer::new().layer(probe);
    drop(service.call(Request::new(())));
    let mut polled = task::spawn(service.call(Request::new(())));
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));

    handle.set_readiness(Readiness::Pending);
    let mut waiting = task::spawn(service.call(Request::new(())));
    assert_pending!(waiting.poll());
    drop(waiting);
    assert_eq!((handle.calls(), handle.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_go_through() {
    let (probe, handle) = Probe::new(|_: Request<()>| Reply::<()>::Now(Err("inner".into())));
    let mut service = SendDeadlineLayer::new().layer(probe);
    let error = service.call(Request::new(())).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    assert!(Rejection::find(error.as_ref()).is_none());
    handle.set_readiness(Readiness::Broken);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = service.call(Request::new(())).await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");

    for panics in [|| Reply::Panic, || Reply::<()>::PanicInCall] {
        let (probe, handle) = Probe::new(move |_: Request<()>| panics());
        let service = SendDeadlineLayer::new().layer(probe);
        let deadline = Some(Deadline::after(SECOND));
        let call =
            Deadline::scoped(deadline, async move { service.oneshot(Request::new(())).await });
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
        assert_eq!(Deadline::current(), None, "the scope was left");
        assert_eq!(handle.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_survives_a_queue_between_two() {
    let inner = service_fn(|request: Request<()>| {
        let carried = request.extensions().get::<Deadline>().copied();
        let seen = (Deadline::current(), carried, request.headers()[MILLIS].clone());
        async move { Ok::<_, Infallible>(seen) }
    });
    let service = ServiceBuilder::new()
        .layer(SendDeadlineLayer::new())
        .layer(BufferLayer::new(8))
        .layer(SendDeadlineLayer::new())
        .service(inner);
    let deadline = Some(Deadline::after(SECOND));
    let call = Deadline::scoped(deadline, service.oneshot(Request::new(())));
    let (ambient, carried, left) = call.await.unwrap();
    assert_eq!((ambient, carried), (deadline, deadline));
    assert_eq!(left, "1000");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_cuts_the_wait() {
    let (probe, handle) = echo();
    handle.set_readiness(Readiness::Pending);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SECOND).unwrap())
        .layer(SendDeadlineLayer::new())
        .service(probe);
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    assert!(matches!(kind(&error), RejectionKind::TimedOut { .. }), "{error}");
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let slow = service_fn(async |request: Request<()>| {
        sleep(SECOND / 4).await;
        Ok::<_, Infallible>(request.headers().get(MILLIS).cloned())
    });
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(TimeoutLayer::new(SECOND * 9).unwrap())
                .layer(SendDeadlineLayer::new())
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(slow);
    // One place, a quarter of a second each: who waited longer has less to tell.
    let calls: Vec<_> =
        (0..3).map(|_| tokio::spawn(service.clone().oneshot(Request::new(())))).collect();
    for (call, expected) in calls.into_iter().zip(["9000", "8750", "8500"]) {
        assert_eq!(call.await.unwrap().unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn auto_traits_and_debug() {
    let layer = SendDeadlineLayer::default();
    assert_layer_traits(&layer);
    assert_service_traits(&layer.handle());
    let (probe, _handle) = echo();
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    let call = service.call(Request::new(()));
    assert_future_traits(&call);
    let texts = [
        format!("{layer:?}"),
        format!("{:?}", SendDeadlineLayer::builder()),
        format!("{service:?}"),
        format!("{:?}", layer.handle()),
    ];
    assert!(texts.iter().all(|text| text.contains("send-deadline")), "{texts:?}");
    assert_eq!(format!("{call:?}"), "ResponseFuture { .. }");
    service.get_mut();
    assert!(format!("{:?}", service.get_ref()).starts_with("Probe"));
    assert!(format!("{:?}", service.into_inner()).starts_with("Probe"));
}
