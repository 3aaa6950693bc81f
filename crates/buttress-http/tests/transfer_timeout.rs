//! Limits on standing still: tower's contract, towards the inner service and the caller.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Phase, Rejection, RejectionKind};
use buttress_http::{
    Followed, TransferTimeoutLayer, Watched,
    transfer_timeout::{TransferFollower, TransferTimeoutLayerBuilder, TransferTimeoutSnapshot},
};
use buttress_testkit::{
    BodyStep::{self, Data, Error, Hang, Trailers, Wait},
    Probe, Readiness, Recorder, Reply, ScriptedBody, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(1_000);

type Sent = Request<Watched<ScriptedBody>>;
type Given = Response<ScriptedBody>;

fn layer() -> TransferTimeoutLayerBuilder {
    TransferTimeoutLayer::builder()
}

fn write() -> TransferTimeoutLayer {
    layer().write(SECOND).build().unwrap()
}

fn idle() -> TransferTimeoutLayer {
    layer().idle(SECOND).build().unwrap()
}

fn body(steps: impl IntoIterator<Item = BodyStep>) -> ScriptedBody {
    ScriptedBody::new(steps)
}

fn request(steps: impl IntoIterator<Item = BodyStep>) -> Request<ScriptedBody> {
    Request::new(body(steps))
}

/// Which limit cut, and how long it was.
fn cut(error: &BoxError) -> (Phase, Duration) {
    match Rejection::find(error.as_ref()).expect("a rejection").kind() {
        RejectionKind::TimedOut { phase, limit } => (*phase, *limit),
        other => panic!("{other}"),
    }
}

/// A service that reads the request to its end on a task of its own, as hyper does, and answers
/// with this body after this time.
fn drains(
    head: Duration,
    steps: Vec<BodyStep>,
) -> impl Service<Sent, Response = Given, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(move |request: Sent| {
        let response = body(steps.clone());
        let mut upload = request.into_body();
        tokio::spawn(async move { while let Some(Ok(_)) = upload.frame().await {} });
        async move {
            sleep(head).await;
            Ok(Response::new(response))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::Now(Ok(Given::default())));
    let mut service = layer().write(SECOND).idle(SECOND).build().unwrap().layer(probe);
    for _ in 0..3 {
        service.ready().await.unwrap().call(request([Data("x")])).await.unwrap();
    }
    let mut clone = service.clone();
    clone.ready().await.unwrap().call(request([])).await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::Now(Ok(Given::default())));
    handle.set_readiness(Readiness::Pending);
    let mut service = idle().layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call(request([])));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    call.await.unwrap();
}

/// Nobody asks for the body then: `idle` runs, and `write` does not.
#[tokio::test(start_paused = true)]
async fn readiness_counts_for_idle_alone() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::Now(Ok(Given::default())));
    handle.set_readiness(Readiness::Pending);
    let limits = layer().write(SECOND).idle(SECOND * 3).build().unwrap();
    let start = Instant::now();
    let error = limits.layer(probe).oneshot(request([Hang])).await.unwrap_err();
    assert_eq!((cut(&error), start.elapsed()), ((Phase::Idle, SECOND * 3), SECOND * 3));
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_not_sent() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::Now(Ok(Given::default())));
    handle.set_readiness(Readiness::Pending);
    let mut call = task::spawn(idle().layer(probe).call(request([Hang])));
    assert_pending!(call.poll());
    advance(SECOND * 2).await;
    handle.set_readiness(Readiness::Ready);
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(cut(&error), (Phase::Idle, SECOND));
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn inner_errors_and_those_of_readiness_pass_untouched() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::<Given>::Now(Err("inner".into())));
    let mut service = write().layer(probe);
    let error = service.call(request([Data("x")])).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    handle.set_readiness(Readiness::Broken);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = service.call(request([])).await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");
}

#[tokio::test(start_paused = true)]
async fn drops_the_inner_future_at_the_limit_and_not_later() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::<Given>::Never);
    let mut call = task::spawn(idle().layer(probe).call(request([])));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert!(call.is_woken());
    assert!(assert_ready!(call.poll()).is_err());
    assert_eq!(handle.dropped(), 1, "while the outer future still exists");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_what_is_inside_at_every_point() {
    let (probe, handle) = Probe::new(|_: Sent| Reply::<Given>::Never);
    let limits = layer().write(SECOND).idle(SECOND).build().unwrap();
    let mut service = limits.layer(probe);
    let upload = body([Hang]);
    let dropped = upload.dropped();
    drop(service.call(Request::new(upload)));
    assert!(dropped.load(Ordering::SeqCst));
    let mut polled = task::spawn(service.call(request([Hang])));
    assert_pending!(polled.poll());
    drop(polled);
    handle.set_readiness(Readiness::Pending);
    let mut waiting = task::spawn(service.call(request([Hang])));
    assert_pending!(waiting.poll());
    drop(waiting);
    assert_eq!((handle.calls(), handle.dropped(), handle.reserved()), (2, 2, 0));

    let response = body([Data("x"), Hang]);
    let dropped = response.dropped();
    let once = Mutex::new(Some(response));
    let (probe, _handle) = Probe::new(move |_: Sent| {
        Reply::Now(Ok(Response::new(once.lock().unwrap().take().unwrap())))
    });
    let mut response = limits.layer(probe).oneshot(request([])).await.unwrap().into_body();
    response.frame().await.unwrap().unwrap();
    assert_pending!(task::spawn(response.frame()).poll());
    drop(response);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(limits.handle().snapshot(), TransferTimeoutSnapshot::default());
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_goes_through_and_leaves_the_service_usable() {
    let (probe, handle) = Probe::new(|request: Sent| match request.uri().path() {
        "/panic" => Reply::Panic,
        "/call" => Reply::PanicInCall,
        _ => Reply::Now(Ok(Response::new(body([BodyStep::Panic])))),
    });
    let service = layer().write(SECOND).idle(SECOND).build().unwrap().layer(probe);
    for path in ["/panic", "/call"] {
        let request = Request::builder().uri(path).body(body([Data("x")])).unwrap();
        let panicked = tokio::spawn(service.clone().oneshot(request)).await.unwrap_err();
        assert!(panicked.is_panic());
    }
    let mut response = service.oneshot(request([])).await.unwrap().into_body();
    let panicked = tokio::spawn(async move { response.frame().await.is_none() }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!((handle.in_flight(), handle.reserved()), (0, 0));

    // A request body that panics is over when it is dropped, and not before.
    let late = service_fn(|request: Sent| async move {
        let mut upload = request.into_body();
        let polled = poll_fn(|cx| {
            let poll = || Pin::new(&mut upload).poll_frame(cx).is_ready();
            Poll::Ready(std::panic::catch_unwind(AssertUnwindSafe(poll)).is_err())
        });
        assert!(polled.await);
        sleep(SECOND * 2).await;
        Ok::<_, Infallible>(Given::default())
    });
    write().layer(late).oneshot(request([BodyStep::Panic])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn says_once_what_it_cut_and_counts_it() {
    let recorder = Recorder::new();
    let limits = layer().write(SECOND).idle(SECOND * 2).observer(recorder.clone()).build().unwrap();
    let service = limits.layer(drains(LONG, vec![]));
    service.clone().oneshot(request([Hang])).await.unwrap_err();
    service.clone().oneshot(request([])).await.unwrap_err();
    service.oneshot(request([])).await.unwrap_err();
    let idle = "timeout transfer: rejected: idle limit of 2s passed";
    assert_eq!(
        recorder.take(),
        ["timeout transfer: rejected: write limit of 1s passed", idle, idle]
    );
    let snapshot = limits.handle().snapshot();
    assert_eq!((snapshot.write, snapshot.idle), (1, 2));
    assert_eq!(limits.handle().name(), "transfer");

    let limits = layer().idle(SECOND).name("uploads").observer(recorder.clone()).build().unwrap();
    let mut response =
        limits.layer(drains(SECOND / 2, vec![Data("x"), Hang])).oneshot(request([])).await.unwrap();
    response.frame().await.unwrap().unwrap();
    response.frame().await.unwrap().unwrap_err();
    assert!(response.frame().await.is_none());
    assert_eq!(recorder.take(), ["timeout uploads: rejected: idle limit of 1s passed"]);
    assert_eq!((limits.handle().name(), limits.handle().snapshot().idle), ("uploads", 1));
}

/// Records the ambient deadline that it is dropped under.
struct Sees(Arc<Mutex<Vec<Option<Deadline>>>>);

impl Drop for Sees {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(Deadline::current());
    }
}

/// A breaker inside asks the deadline whether its call was cut or abandoned.
#[tokio::test(start_paused = true)]
async fn what_is_cut_is_dropped_under_a_deadline_that_is_past() {
    struct Holds(ScriptedBody, #[expect(dead_code, reason = "held for its drop")] Sees);
    impl Body for Holds {
        type Data = bytes::Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, BoxError>>> {
            assert_eq!(Deadline::current(), None);
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }
    for limits in [write(), idle()] {
        let drops = Arc::<Mutex<Vec<Option<Deadline>>>>::default();
        let seen = Arc::clone(&drops);
        let inner = service_fn(move |request: Sent| {
            let (in_call, in_body) = (Sees(Arc::clone(&seen)), Sees(Arc::clone(&seen)));
            let path = request.uri().path().to_owned();
            let mut upload = request.into_body();
            tokio::spawn(async move { upload.frame().await.is_none() });
            async move {
                if path == "/head" {
                    pending::<()>().await;
                }
                drop(in_call);
                let body = body([Data("x"), Hang]);
                Ok::<_, Infallible>(Response::new(Holds(body, in_body)))
            }
        });
        let mut service = limits.layer(inner);
        let to = |path: &str| Request::builder().uri(path).body(body([Hang])).unwrap();
        let start = Instant::now();

        let mut call = task::spawn(service.call(to("/head")));
        assert_pending!(call.poll());
        sleep(SECOND * 2).await;
        assert!(assert_ready!(call.poll()).is_err());
        let due = Some(Deadline::at(start + SECOND));
        assert_eq!(*drops.lock().unwrap(), [due, due], "cut in the call, and its Sees with it");
        drops.lock().unwrap().clear();

        let start = Instant::now();
        let mut response = service.call(to("/body")).await.unwrap().into_body();
        response.frame().await.unwrap().unwrap();
        response.frame().await.unwrap().unwrap_err();
        let due = Some(Deadline::at(start + SECOND));
        assert_eq!(*drops.lock().unwrap(), [None, due], "cut in the body");
        drops.lock().unwrap().clear();

        drop(service.call(to("/head")));
        let mut response = service.call(to("/body")).await.unwrap().into_body();
        response.frame().await.unwrap().unwrap();
        drop(response);
        assert_eq!(*drops.lock().unwrap(), [None; 4], "what is abandoned was not cut");
    }
}

#[test]
fn a_timer_is_made_only_when_the_first_poll_was_pending() {
    // There is no runtime here, and a timer needs one.
    let (probe, _handle) =
        Probe::new(|_: Sent| Reply::Now(Ok(Response::new(body([Data("x"), Data("y")])))));
    let mut service = layer().write(SECOND).idle(SECOND).build().unwrap().layer(probe);
    let mut call = task::spawn(service.call(request([Data("x")])));
    let mut response = assert_ready!(call.poll()).unwrap().into_body();
    for _ in 0..2 {
        assert_ready!(task::spawn(response.frame()).poll()).unwrap().unwrap();
    }
    // Nor where nothing bounds any more.
    let (probe, _handle) = Probe::new(|_: Sent| Reply::<Given>::Never);
    let mut call = task::spawn(write().layer(probe).call(request([])));
    assert_pending!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn everything_can_be_shared_sent_and_shown() {
    let (probe, _handle) = Probe::new(|_: Sent| Reply::Now(Ok(Given::default())));
    let limits = layer().write(SECOND);
    assert!(format!("{limits:?}").contains("1s"));
    let limits = limits.build().unwrap();
    assert_layer_traits(&limits);
    assert!(format!("{limits:?} {:?}", limits.handle()).contains("transfer"));
    let mut service = limits.layer(probe);
    assert_service_traits(&service);
    assert!(format!("{service:?}").contains("Probe"));
    let call = service.call(request([]));
    assert_future_traits(&call);
    assert!(format!("{call:?}").contains("ResponseFuture"));
    let response: Response<Followed<ScriptedBody, TransferFollower>> = call.await.unwrap();
    assert_future_traits(&response);
    let _: &Probe<Sent, Given> = service.get_ref();
    let _: &mut Probe<Sent, Given> = service.get_mut();
    let _: Probe<Sent, Given> = service.into_inner();
}

/// A body that no call listens to, such as a retry makes for its second request.
#[tokio::test]
async fn a_default_body_is_empty() {
    fn is_unpin(_: &impl Unpin) {}
    let mut body = Watched::<ScriptedBody>::default();
    assert!(body.is_end_stream() && format!("{body:?}").contains("Watched"));
    assert!(body.frame().await.is_none());
    is_unpin(&body);
}

fn step() -> impl Strategy<Value = BodyStep> {
    prop_oneof![
        4 => Just(Data("data")),
        1 => (1..2000_u64).prop_map(|ms| Wait(Duration::from_millis(ms))),
        1 => Just(Error("broken")),
        1 => Just(Trailers("x", "y")),
    ]
}

/// What a reader sees of a body, asked once more than it has steps: hints, and the frame.
async fn read<B>(mut body: B, frames: usize) -> Vec<String>
where
    B: Body<Data = bytes::Bytes, Error = BoxError> + Unpin,
{
    let mut seen = Vec::new();
    for _ in 0..frames {
        let (end, hint) = (body.is_end_stream(), body.size_hint());
        let frame = body.frame().await;
        seen.push(format!("{end} {:?} {:?} {frame:?}", hint.lower(), hint.upper()));
    }
    seen
}

proptest! {
    /// The inner service sees of a request body exactly what it would see without the layer, also
    /// where it asks on after an end.
    #[test]
    fn a_watched_body_is_transparent(script in prop::collection::vec(step(), 0..8)) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let frames = script.len() + 1;
            let bare = read(body(script.clone()), frames).await;
            let seen = Arc::new(Mutex::new(Vec::new()));
            let keep = Arc::clone(&seen);
            let inner = service_fn(move |request: Sent| {
                let keep = Arc::clone(&keep);
                async move {
                    *keep.lock().unwrap() = read(request.into_body(), frames).await;
                    Ok::<_, Infallible>(Given::default())
                }
            });
            let limits = layer().write(LONG).idle(LONG).build().unwrap();
            limits.layer(inner).oneshot(request(script)).await.unwrap();
            prop_assert_eq!(&*seen.lock().unwrap(), &bare);
            Ok(())
        })?;
    }
}
