//! Wakers and limits are foreign code: what they do while they are called, and what a panic leaves.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, BulkheadLayerBuilder, Limit, Sample};
use buttress_core::{BoxError, Event, Observer};
use buttress_testkit::{Probe, Reply, assert_pending, task};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

/// Does this when it wakes, once.
struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Does {
    fn waker(what: impl FnOnce() + Send + 'static) -> Waker {
        Arc::new(Self(Mutex::new(Some(Box::new(what))))).into()
    }
}

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().unwrap().take();
        if let Some(what) = what {
            what();
        }
    }
}

/// Fails what would hang for ever.
fn ends(what: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let thread = thread::spawn(move || {
        what();
        ended.send(()).unwrap();
    });
    let hangs = end.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "it never ends");
    thread.join().unwrap();
}

/// One more after each call.
#[derive(Clone)]
struct Grows(usize);

impl Limit for Grows {
    fn current(&self) -> usize {
        self.0
    }

    fn learn(&mut self, _sample: &Sample) {
        self.0 += 1;
    }
}

/// An executor that drops a task while it is woken may thereby end another call.
fn a_waker_that_ends_a_call(builder: BulkheadLayerBuilder, first: fn(&BulkheadHandle)) {
    let layer = builder.max_wait(Duration::MAX).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let (ends, other) = (service.call(()), service.call(()));
    let mut waits = Box::pin(service.call(()));
    let waker = Does::waker(move || drop(ends));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let handle = layer.handle();
    first(&handle);
    drop(other);
    assert_eq!((handle.in_flight(), handle.queued()), (1, 0));
}

#[test]
fn a_waker_may_end_a_call() {
    let grown = |handle: &BulkheadHandle| handle.set_limit(3).unwrap();
    ends(move || a_waker_that_ends_a_call(BulkheadLayer::builder().limit(Grows(2)), |_| {}));
    ends(move || a_waker_that_ends_a_call(BulkheadLayer::builder().limit(Grows(2)), grown));
    ends(move || a_waker_that_ends_a_call(BulkheadLayer::builder().max_concurrent(2), grown));
}

/// Looks at the bulkhead that it is the limit of.
#[derive(Clone)]
struct Looks(Arc<Mutex<Option<BulkheadHandle>>>);

impl Limit for Looks {
    fn current(&self) -> usize {
        2
    }

    fn learn(&mut self, sample: &Sample) {
        if let Some(handle) = &*self.0.lock().unwrap() {
            assert_eq!(handle.snapshot().in_flight, sample.in_flight);
        }
    }
}

#[test]
fn a_limit_may_look_at_its_bulkhead() {
    ends(|| {
        let limit = Looks(Arc::default());
        let layer = BulkheadLayer::builder().limit(limit.clone()).build().unwrap();
        *limit.0.lock().unwrap() = Some(layer.handle());
        let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
        drop(layer.layer(probe).call(()));
        assert_eq!(layer.handle().in_flight(), 0);
        *limit.0.lock().unwrap() = None;
    });
}

/// Says, when it is dropped, how many places are taken.
struct Witness(BulkheadHandle, mpsc::Sender<usize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.1.send(self.0.in_flight()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_not_taken_goes_on_after_its_request() {
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(Duration::MAX).build().unwrap();
    let (witness, places_taken) = mpsc::channel();
    let mut service = layer.layer(service_fn(async |_: Option<Witness>| {
        std::future::pending::<Result<(), BoxError>>().await
    }));
    let first = service.call(None);
    let mut waits = task::spawn(service.call(Some(Witness(layer.handle(), witness))));
    assert_pending!(waits.poll());
    drop(first);
    drop(waits);
    assert_eq!(places_taken.recv(), Ok(1));
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_is_caught_leaves_the_place_until_the_call_is_dropped() {
    let layer = BulkheadLayer::new(1).unwrap();
    let mut service =
        layer.layer(service_fn(async |_: ()| -> Result<(), BoxError> { panic!("told to panic") }));
    let mut call = Box::pin(service.call(()));
    let mut context = Context::from_waker(Waker::noop());
    let poll = || -> Poll<Result<(), BoxError>> { call.as_mut().poll(&mut context) };
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    assert_eq!(layer.handle().in_flight(), 1, "what is left of it is still there");
    drop(call);
    assert_eq!(layer.handle().in_flight(), 0);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("told to panic");
    }
}

impl Observer for Panics {
    fn observe(&self, _event: &Event<'_>) {
        panic!("told to panic");
    }
}

fn panics<R>(what: impl FnOnce() -> R) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err());
}

#[tokio::test(start_paused = true)]
async fn after_an_observer_has_panicked_nobody_is_called_without_a_place() {
    let second = Duration::from_secs(1);
    let builder = BulkheadLayer::builder().max_concurrent(1).max_wait(second);
    let layer = builder.observer(Panics).build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let _first = service.call(());
    let mut late = task::spawn(service.call(()));
    assert_pending!(late.poll());
    advance(2 * second).await;
    panics(|| late.poll().is_ready());
    panics(|| late.poll().is_ready());
    assert_eq!((inner.calls(), layer.handle().in_flight(), layer.handle().queued()), (1, 1, 0));
}

/// Whoever ends a call may be on the way out of a panic himself; another would end the process.
#[test]
fn wakers_that_panic_while_a_panic_is_on_its_way_end_nothing_else() {
    let waker = Waker::from(Arc::new(Panics));
    let mut context = Context::from_waker(&waker);
    // One place comes back, and by then the limit is one higher.
    let layer = BulkheadLayer::builder().limit(Grows(1)).max_wait(Duration::MAX).max_queue(9);
    let layer = layer.build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let first = service.call(());
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(service.call(()))).collect();
    for call in &mut waiting {
        assert!(call.as_mut().poll(&mut context).is_pending());
    }
    panics(|| drop(first));
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (2, 1), "both were served");
    panics(|| drop(waiting));
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (0, 0));

    // A call that panicked is dropped by its own panic.
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(Duration::MAX).build().unwrap();
    let (probe, _inner) =
        Probe::new(|panics| if panics { Reply::<()>::Panic } else { Reply::Never });
    let mut service = layer.layer(probe);
    let mut first = Box::pin(service.call(true));
    let mut waits = Box::pin(service.call(false));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    panics(move || first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (1, 0), "who waited has it");
}
