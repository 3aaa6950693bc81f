//! What foreign code does to a breaker that calls it: wakers, classifiers and subscribers.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use buttress_breaker::{Abandoned, BreakerLayer};
use buttress_core::{BoxError, CircuitState, Event, EventKind, Judgement};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Reply, assert_pending, assert_ready, task};
use tower::{Layer, Service};

fn fallible() -> (Probe<bool, ()>, ProbeHandle) {
    Probe::new(|fail| Reply::Now(if fail { Err("down".into()) } else { Ok(()) }))
}

/// A task that is only its wakers', and drops what it holds with the last of them.
struct Task(#[expect(dead_code, reason = "it is dropped")] Mutex<Box<dyn Any + Send>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// A waker is foreign code where it is dropped: with it goes another service that waits for the
/// same circuit, and wants to leave it.
#[test]
fn a_waker_that_owns_a_waiting_service_locks_nothing_up() {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let layer = BreakerLayer::builder().readiness().build().unwrap();
        layer.handle().force_open();
        let mut service = layer.layer(fallible().0);
        let mut owned = layer.layer(fallible().0);
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(Service::<bool>::poll_ready(&mut owned, &mut nobody).is_pending());
        let waker = Waker::from(Arc::new(Task(Mutex::new(Box::new(owned)))));
        let mut context = Context::from_waker(&waker);
        assert!(Service::<bool>::poll_ready(&mut service, &mut context).is_pending());
        drop(waker);
        // Polled by another task, and so the waker of the former is dropped.
        assert!(Service::<bool>::poll_ready(&mut service, &mut nobody).is_pending());
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("locked up");
}

/// Nor of a response.
#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_says_nothing_of_a_response() {
    let layer = BreakerLayer::builder()
        .consecutive_failures(1)
        .abandoned(Abandoned::Failed)
        .classify(|_: Result<&(), &BoxError>| -> Judgement { panic!("the classifier") })
        .build()
        .unwrap();
    let (probe, _inner) = fallible();
    let mut call = task::spawn(layer.layer(probe).call(false));
    catch_unwind(AssertUnwindSafe(|| call.poll().is_ready())).unwrap_err();
    drop(call);
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}

/// Whether the error came from `poll_ready`, or from the call.
#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_says_nothing() {
    for readiness in [false, true] {
        let builder = BreakerLayer::builder()
            .consecutive_failures(1)
            .abandoned(Abandoned::Failed)
            .classify(|_: Result<&(), &BoxError>| -> Judgement { panic!("the classifier") });
        let layer = if readiness { builder.readiness() } else { builder }.build().unwrap();
        let (probe, inner) = fallible();
        inner.set_readiness(Readiness::Broken);
        let mut service = layer.layer(probe);
        let ready = poll_fn(|cx| Service::<bool>::poll_ready(&mut service, cx));
        assert_ready!(task::spawn(ready).poll()).unwrap();
        let call = || task::spawn(service.call(false)).poll().is_ready();
        catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        assert_eq!(layer.handle().state(), CircuitState::Closed, "readiness: {readiness}");
    }
}

/// Those who subscribe and leave cost nothing, though no change ever comes.
#[test]
fn subscribers_who_left_are_forgotten() {
    let info = allocation_counter::measure(|| {
        let layer = BreakerLayer::new();
        let handle = layer.handle();
        for _ in 0..1_000 {
            drop(handle.subscribe());
        }
    });
    assert!(info.bytes_max < 100_000, "{} bytes at once", info.bytes_max);
}

/// A service that was ready and is refused, or waits, is asked anew.
#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_claimed_again() {
    let layer = BreakerLayer::builder().readiness().build().unwrap();
    let (probe, inner) = fallible();
    let mut service = layer.layer(probe);
    let mut ready = || {
        let mut ready = task::spawn(poll_fn(|cx| Service::<bool>::poll_ready(&mut service, cx)));
        ready.poll()
    };
    assert_ready!(ready()).unwrap();
    assert_eq!(inner.reserved(), 1);
    layer.handle().force_open();
    assert_pending!(ready());
    assert_eq!(inner.reserved(), 0);
    layer.handle().reset();
    assert_ready!(ready()).unwrap();
    assert_eq!(inner.reserved(), 1);
}

/// Who is told that a call was refused finds free what the inner service held for it, and if he panics
/// it is free all the same.
#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_free_before_the_refusal_is_told() {
    for panics in [false, true] {
        let (probe, inner) = fallible();
        let (held, seen) = (inner.clone(), Arc::new(Mutex::new(None)));
        let told = Arc::clone(&seen);
        let observer = move |event: &Event<'_>| {
            if let EventKind::Rejected(_) = event.kind {
                *told.lock().unwrap() = Some(held.reserved());
                assert!(!panics, "the observer");
            }
        };
        let layer = BreakerLayer::builder().readiness().observer(observer).build().unwrap();
        let mut service = layer.layer(probe);
        let ready = poll_fn(|cx| Service::<bool>::poll_ready(&mut service, cx));
        assert_ready!(task::spawn(ready).poll()).unwrap();
        assert_eq!(inner.reserved(), 1);
        layer.handle().force_open();
        let call = catch_unwind(AssertUnwindSafe(|| drop(service.call(true))));
        assert_eq!(call.is_err(), panics);
        assert_eq!((*seen.lock().unwrap(), inner.reserved()), (Some(0), 0), "panics: {panics}");
    }
}
