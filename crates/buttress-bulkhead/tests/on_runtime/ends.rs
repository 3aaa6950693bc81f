//! How calls end there, and when their places come back.

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll},
    time::Duration,
};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, Limit, Sample};
use buttress_core::{
    BoxError, Deadline,
    Outcome::{self, Failure, Neutral, Success},
    Rejection, RejectionKind,
};
use buttress_testkit::{Probe, Recorder, Reply, assert_pending, assert_ready, task};
use tokio::{
    runtime::Builder,
    task::{JoinError, yield_now},
};
use tower::{Layer, Service, service_fn};

use crate::{
    apart::{Apart, PATIENCE, until, within_patience},
    kind, one,
};

/// What the runtime said of the task, which the rejection is told in place of.
fn cause(error: &BoxError) -> &JoinError {
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    let next = rejection.source().expect("a cause");
    let carried = next.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.and_then(|cause| cause.downcast_ref()).expect("what the runtime said")
}

#[tokio::test]
async fn a_panic_is_an_error_of_the_call_that_says_what_it_was() {
    let (apart, recorder) = (Apart::new("apart"), Recorder::new());
    let (probe, handle) = Probe::new(|request: &str| match request {
        "panic" => Reply::Panic,
        "panic in call" => Reply::PanicInCall,
        _ => Reply::Now(Ok(())),
    });
    let layer = BulkheadLayer::builder()
        .max_concurrent(1)
        .observer(recorder.clone())
        .on_runtime(apart.handle())
        .build()
        .unwrap();
    let mut service = layer.layer(probe);
    for request in ["panic", "panic in call"] {
        let error = within_patience(service.call(request)).await.unwrap_err();
        assert_eq!(kind(&error), &RejectionKind::Panicked);
        assert!(cause(&error).is_panic());
        assert!(cause(&error).to_string().contains(&format!("told to {request}")));
        assert_eq!(
            recorder.take(),
            ["bulkhead bulkhead: rejected: the call panicked on the runtime it was given to"]
        );
        assert_eq!(layer.handle().in_flight(), 0);
        within_patience(service.call("fine")).await.expect("the runtime goes on");
    }
    assert_eq!((handle.in_flight(), handle.reserved()), (0, 0));
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.lost, snapshot.admitted, snapshot.rejected.total()), (2, 4, 0));
}

#[tokio::test]
async fn one_whose_caller_left_is_aborted_before_its_place_comes_back() {
    let apart = Apart::new("apart");
    let (probe, probed) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = one(&apart);
    let (handle, mut service) = (layer.handle(), layer.layer(probe));
    for n in 1..=20 {
        let mut call = task::spawn(service.call(()));
        assert_pending!(call.poll());
        until("it is called", || probed.calls() == n).await;
        assert_eq!((handle.in_flight(), probed.in_flight()), (1, 1));
        drop(call);
        until("the place comes back", || handle.in_flight() == 0).await;
        assert_eq!(probed.dropped(), n, "the call went first");
    }
}

/// Says, when one of it that was called is dropped, how many places are taken.
#[derive(Clone)]
struct Witness {
    called: bool,
    bulkhead: BulkheadHandle,
    seen: mpsc::Sender<usize>,
}

impl Service<bool> for Witness {
    type Response = ();
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ends: bool) -> Self::Future {
        self.called = true;
        let with_the_future = self.clone();
        Box::pin(async move {
            let _with_the_future = with_the_future;
            if ends { Ok(()) } else { pending().await }
        })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if self.called {
            let _ = self.seen.send(self.bulkhead.in_flight());
        }
    }
}

#[tokio::test]
async fn nothing_of_a_call_is_left_when_its_place_comes_back() {
    let (apart, (seen, places_taken)) = (Apart::new("apart"), mpsc::channel());
    let layer = one(&apart);
    let bulkhead = layer.handle();
    let mut service = layer.layer(Witness { called: false, bulkhead, seen });
    within_patience(service.call(true)).await.unwrap();
    assert_eq!(places_taken.try_iter().collect::<Vec<_>>(), [1, 1], "the future, and the service");
    drop(service.call(false));
    until("the place comes back", || layer.handle().in_flight() == 0).await;
    // None of either, if it was aborted before it began.
    assert!(places_taken.try_iter().all(|in_flight| in_flight == 1));
}

/// A request that says, when it is dropped, how many places are taken.
struct Request(BulkheadHandle, mpsc::Sender<usize>);

impl Drop for Request {
    fn drop(&mut self) {
        self.1.send(self.0.in_flight()).unwrap();
    }
}

/// Its task is dropped as it was spawned: because its caller left, or the runtime shut down.
#[test]
fn one_that_never_began_gives_its_place_back_last_and_is_told_to_nobody() {
    let told = Told::default();
    for leaves in [true, false] {
        // Not driven, so it begins nothing.
        let runtime = Builder::new_current_thread().build().unwrap();
        let layer =
            BulkheadLayer::builder().limit(told.clone()).on_runtime(runtime.handle().clone());
        let layer = layer.build().unwrap();
        let (seen, places_taken) = mpsc::channel();
        let mut service = layer.layer(service_fn(async |_: Request| Ok::<_, Infallible>(())));
        let mut call = Some(task::spawn(service.call(Request(layer.handle(), seen))));
        assert_eq!((layer.handle().in_flight(), places_taken.try_recv().ok()), (1, None));
        if leaves {
            call = None;
            runtime.block_on(yield_now());
        }
        drop(runtime);
        assert_eq!((places_taken.recv(), layer.handle().in_flight()), (Ok(1), 0), "{leaves}");
        if let Some(mut call) = call {
            let error = assert_ready!(call.poll()).unwrap_err();
            assert_eq!(kind(&error), &RejectionKind::RuntimeShutDown);
        }
    }
    assert_eq!(*told.0.lock().unwrap(), [], "it was not made");
}

/// A thread that computes can not be taken from a call: what it does, it does within the limit.
#[tokio::test]
async fn one_that_blocks_keeps_its_place_until_it_has_really_ended() {
    let apart = Apart::new("apart");
    let layer = one(&apart);
    let (handle, (began, begins)) = (layer.handle(), mpsc::channel());
    let mut service = layer.layer(service_fn(move |until: Option<mpsc::Receiver<()>>| {
        let began = began.clone();
        async move {
            began.send(()).unwrap();
            if let Some(until) = until {
                until.recv_timeout(PATIENCE).unwrap();
            }
            Ok::<_, Infallible>(())
        }
    }));
    let (release, until_released) = mpsc::channel();
    let blocks = service.call(Some(until_released));
    begins.recv_timeout(PATIENCE).unwrap();
    drop(blocks);
    for _ in 0..20 {
        let error = within_patience(service.call(None)).await.unwrap_err();
        let full = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
        assert_eq!(kind(&error), &full);
    }
    release.send(()).unwrap();
    until("it has ended", || handle.in_flight() == 0).await;
    within_patience(service.call(None)).await.unwrap();
    assert_eq!(begins.try_iter().count(), 1);
}

/// Its turn never came: nothing of it is called.
#[tokio::test]
async fn one_whose_caller_left_before_it_began_is_not_called() {
    let apart = Apart::new("apart");
    let release = apart.block();
    let (probe, probed) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = one(&apart);
    let mut service = layer.layer(probe);
    let call = service.call(());
    assert_eq!(layer.handle().in_flight(), 1);
    drop(call);
    release.send(()).unwrap();
    until("the place comes back", || layer.handle().in_flight() == 0).await;
    assert_eq!(probed.calls(), 0);
}

#[tokio::test]
async fn a_runtime_that_has_shut_down_ends_the_calls_that_it_has_and_those_that_come() {
    let apart = Apart::new("apart");
    let (probe, probed) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer =
        BulkheadLayer::builder().max_concurrent(2).on_runtime(apart.handle()).build().unwrap();
    let mut service = layer.layer(probe);
    let during = service.call(());
    until("it is called", || probed.calls() == 1).await;
    drop(apart);
    let after = service.call(());
    for call in [during, after] {
        let error = within_patience(call).await.unwrap_err();
        assert_eq!(kind(&error), &RejectionKind::RuntimeShutDown);
        assert!(cause(&error).is_cancelled());
    }
    assert_eq!((layer.handle().in_flight(), probed.calls(), probed.dropped()), (0, 1, 1));
}

/// What a limit is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Outcome>>>);

impl Limit for Told {
    fn current(&self) -> usize {
        1
    }

    fn learn(&mut self, sample: &Sample) {
        self.0.lock().unwrap().push(sample.judgement.outcome);
    }
}

/// A panic is the dependency's fault, a caller who hung up is not, and one who was cut by his deadline
/// has waited for it long enough.
#[tokio::test]
async fn a_limit_learns_how_calls_ended_there() {
    let (apart, told) = (Apart::new("apart"), Told::default());
    let (probe, probed) = Probe::new(|request: &str| match request {
        "panic" => Reply::Panic,
        "panic in call" => Reply::PanicInCall,
        "hang" => Reply::Never,
        _ => Reply::Now(Ok(())),
    });
    let builder = BulkheadLayer::builder().limit(told.clone()).on_runtime(apart.handle());
    let layer = builder.build().unwrap();
    let mut service = layer.layer(probe);
    let empty = || layer.handle().in_flight() == 0;

    within_patience(service.call("fine")).await.unwrap();
    within_patience(service.call("panic")).await.unwrap_err();
    within_patience(service.call("panic in call")).await.unwrap_err();
    for patience in [None, Some(PATIENCE), Some(Duration::from_secs(1))] {
        let calls = probed.calls();
        let deadline = patience.map(Deadline::after);
        let call = Deadline::scope(deadline, || service.call("hang"));
        until("it is called", || probed.calls() == calls + 1).await;
        if let Some(deadline) = deadline.filter(|_| patience != Some(PATIENCE)) {
            until("its time is up", || deadline.is_past()).await;
        }
        drop(call);
        until("the place comes back", empty).await;
    }
    let told = told.0.lock().unwrap();
    assert_eq!(*told, [Success, Failure, Failure, Neutral, Neutral, Failure]);
}
