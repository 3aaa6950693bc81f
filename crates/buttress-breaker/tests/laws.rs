//! The laws of the breaker layer, over a paused clock. Those of its circuit alone stand beside
//! it.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder};
use buttress_core::{
    BoxError, CircuitState, Deadline, Event, EventKind, Judgement, Outcome, Plain, Rejection,
    RejectionKind,
};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Reply, assert_pending, assert_ready, task};
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::advance,
};
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const OPEN_FOR: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(10);

/// What the inner service shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Succeed,
    Fail,
    /// An error that says nothing about the dependency.
    Shrug,
    Hang,
    Panic,
    PanicInCall,
}

type Guarded = Breaker<Probe<Act, ()>, Plain>;

fn actor() -> (Probe<Act, ()>, ProbeHandle) {
    Probe::new(|act| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err("down".into())),
        Act::Shrug => {
            let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
            Reply::Now(Err(Rejection::new("bulkhead", "full".into(), kind).into()))
        }
        Act::Hang => Reply::Never,
        Act::Panic => Reply::Panic,
        Act::PanicInCall => Reply::PanicInCall,
    })
}

fn first_failure() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(1).open_for(OPEN_FOR).probe_lease(LEASE)
}

fn build(builder: BreakerLayerBuilder) -> (Guarded, BreakerHandle, ProbeHandle) {
    let layer = builder.build().unwrap();
    let (probe, inner) = actor();
    (layer.layer(probe), layer.handle(), inner)
}

/// A breaker that is half-open, with no probe out.
async fn half_open(builder: BreakerLayerBuilder) -> (Guarded, BreakerHandle, ProbeHandle) {
    let (mut service, handle, inner) = build(builder);
    service.call(Act::Fail).await.unwrap_err();
    advance(OPEN_FOR).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    (service, handle, inner)
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn is_refused(error: &BoxError) -> bool {
    Rejection::find(error.as_ref())
        .is_some_and(|rejection| matches!(rejection.kind(), RejectionKind::CircuitOpen { .. }))
}

proptest! {
    /// It opens at the n-th failure in a row, not sooner and not later; a neutral outcome does
    /// not interrupt the row; and from then on nothing reaches the inner service.
    #[test]
    fn opens_at_the_nth_failure_in_a_row(
        n in 1_u32..=4,
        acts in prop::collection::vec(
            prop::sample::select(vec![Act::Succeed, Act::Fail, Act::Fail, Act::Shrug]),
            0..40,
        ),
    ) {
        paused().block_on(async {
            let (mut service, handle, inner) =
                build(BreakerLayer::builder().consecutive_failures(n));
            let (mut row, mut reached) = (0, 0);
            for act in acts {
                let open = row == n;
                let result = service.call(act).await;
                prop_assert_eq!(result.is_err_and(|error| is_refused(&error)), open);
                if !open {
                    reached += 1;
                    row = match act {
                        Act::Fail => row + 1,
                        Act::Succeed => 0,
                        _ => row,
                    };
                }
                prop_assert_eq!(inner.calls(), reached);
                prop_assert_eq!(handle.state() == CircuitState::Open, row == n);
            }
            Ok(())
        })?;
    }

    /// However many callers come to a half-open breaker, at most so many are in at a time, and
    /// as many successes as were asked for close it.
    #[test]
    fn admits_at_most_the_probes_at_a_time(probes in 1_u32..=4, close_after in 1_u32..=6) {
        paused().block_on(async {
            let builder = first_failure().probes(probes).close_after(close_after);
            let (mut service, handle, inner) = half_open(builder).await;
            let calls: Vec<_> = (0..10).map(|_| service.call(Act::Succeed)).collect();
            prop_assert_eq!(inner.in_flight(), probes as usize);
            let mut succeeded = 0;
            for call in calls {
                match call.await {
                    Ok(()) => succeeded += 1,
                    Err(error) => prop_assert!(is_refused(&error)),
                }
            }
            prop_assert_eq!(succeeded, probes);
            while succeeded < close_after {
                prop_assert_eq!(handle.state(), CircuitState::HalfOpen);
                service.call(Act::Succeed).await.expect("a place came back");
                succeeded += 1;
            }
            prop_assert_eq!(handle.state(), CircuitState::Closed);
            Ok(())
        })?;
    }
}

/// How a probe can end, and what the circuit is then.
#[tokio::test(start_paused = true)]
async fn each_admission_is_settled_exactly_once() {
    for (act, becomes) in [
        (Act::Succeed, CircuitState::Closed),
        (Act::Fail, CircuitState::Open),
        (Act::Shrug, CircuitState::HalfOpen),
        (Act::Panic, CircuitState::Open),
        (Act::PanicInCall, CircuitState::Open),
        (Act::Hang, CircuitState::HalfOpen),
    ] {
        // Enough places for one too many to be given back unnoticed, were it possible.
        let (mut service, handle, inner) = half_open(first_failure().probes(2)).await;
        let _other = service.call(Act::Hang);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut call = task::spawn(service.call(act));
            call.poll().is_ready()
        }));
        assert_eq!(ended.is_err(), matches!(act, Act::Panic | Act::PanicInCall), "{act:?}");
        assert_eq!(handle.state(), becomes, "{act:?}");
        assert_eq!(inner.in_flight(), 1, "{act:?}");
        if becomes == CircuitState::HalfOpen {
            let _place = service.call(Act::Hang);
            let refused = assert_ready!(task::spawn(service.call(Act::Hang)).poll());
            assert!(is_refused(&refused.unwrap_err()), "{act:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_at_once_and_counts_once() {
    let (mut service, handle, _inner) = build(first_failure());
    let mut call = task::spawn(service.call(Act::Panic));
    catch_unwind(AssertUnwindSafe(|| call.poll())).unwrap_err();
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.state, CircuitState::Open);
    drop(call);
    assert_eq!(handle.snapshot(), snapshot, "the drop says nothing more");
}

#[tokio::test(start_paused = true)]
async fn a_call_admitted_before_the_trip_neither_closes_nor_reopens() {
    // One that failed before, one that succeeded before; each ends while half-open.
    for late in [Ok(()), Err(())] {
        let layer = first_failure().build().unwrap();
        let (probe, _inner) = Probe::new(move |slow: bool| match late {
            _ if !slow => Reply::Now(Err("down".into())),
            Ok(()) => Reply::After(OPEN_FOR + SECOND, Ok(())),
            Err(()) => Reply::After(OPEN_FOR + SECOND, Err("down".into())),
        });
        let mut service = layer.layer(probe);
        let mut slow = task::spawn(service.call(true));
        assert_pending!(slow.poll());
        service.call(false).await.unwrap_err();
        advance(OPEN_FOR).await;
        let before = layer.handle().snapshot();
        assert_eq!(before.state, CircuitState::HalfOpen);
        assert_eq!(slow.await.is_ok(), late.is_ok());
        let after = layer.handle().snapshot();
        assert_eq!((after.state, after.since, after.failures), (before.state, before.since, 1));
        assert_eq!((after.generation, after.stale), (before.generation, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_ends_within_the_lease() {
    let (mut service, handle, inner) = half_open(first_failure()).await;
    let mut lost = task::spawn(service.call(Act::Hang));
    assert_pending!(lost.poll());
    advance(LEASE / 2).await;
    let error = service.call(Act::Succeed).await.unwrap_err();
    let rejection = Rejection::find(error.as_ref()).unwrap();
    assert_eq!(rejection.retry_after(), None, "the probe may end in the next moment");
    advance(LEASE / 2).await;
    let error = service.call(Act::Succeed).await.unwrap_err();
    let rejection = Rejection::find(error.as_ref()).unwrap();
    assert_eq!(rejection.retry_after(), Some(OPEN_FOR));
    assert_eq!(handle.snapshot().opened, 2);
    advance(OPEN_FOR).await;
    service.call(Act::Succeed).await.expect("a new probe, while the lost one is still out");
    assert_eq!((handle.state(), inner.in_flight()), (CircuitState::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_does_not_hide_failures() {
    let (mut service, handle, inner) = build(first_failure().consecutive_failures(2));
    for _ in 0..2 {
        let deadline = Deadline::after(SECOND);
        let mut call = task::spawn(Deadline::scope(Some(deadline), || service.call(Act::Hang)));
        assert_pending!(call.poll());
        advance(SECOND).await;
        // As a timeout does when its timer fires; also if it scopes nothing for the drop.
        drop(call);
    }
    assert_eq!(handle.state(), CircuitState::Open);
    assert_eq!(inner.in_flight(), 0);
}

/// A limit on a phase, such as the response head, is no deadline; what it cuts it drops under one
/// that has passed.
#[tokio::test(start_paused = true)]
async fn a_limit_that_is_no_deadline_does_not_hide_failures_either() {
    for (deadline, state) in [
        (Deadline::after(Duration::ZERO), CircuitState::Open),
        (Deadline::after(SECOND), CircuitState::Closed),
    ] {
        let (mut service, handle, _inner) = build(first_failure());
        let mut call = task::spawn(service.call(Act::Hang));
        assert_pending!(call.poll());
        Deadline::scope(Some(deadline), || drop(call));
        assert_eq!(handle.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_in_time_failed() {
    let (mut service, handle, inner) = build(first_failure());
    inner.set_readiness(Readiness::Pending);
    let deadline = Deadline::after(SECOND);
    let call = Deadline::scope(Some(deadline), || service.call(Act::Succeed));
    advance(SECOND).await;
    drop(call);
    assert_eq!((handle.state(), inner.calls()), (CircuitState::Open, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hung_up_says_nothing() {
    let (mut service, handle, _inner) = build(first_failure().consecutive_failures(2));
    service.call(Act::Fail).await.unwrap_err();
    for deadline in [None, Some(Deadline::after(LEASE))] {
        let mut call = task::spawn(Deadline::scope(deadline, || service.call(Act::Hang)));
        assert_pending!(call.poll());
        advance(SECOND).await;
        drop(call);
    }
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.failures), (CircuitState::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn judges_by_the_classifier() {
    // "7" is what this dependency says when it is ill.
    let layer = BreakerLayer::builder()
        .consecutive_failures(1)
        .classify(|result: Result<&u32, &BoxError>| match result {
            Ok(7) => Judgement::FAILURE,
            Ok(_) => Judgement::SUCCESS,
            Err(_) => Judgement { outcome: Outcome::Neutral, ..Judgement::FAILURE },
        })
        .build()
        .unwrap();
    let (probe, _inner) = Probe::new(|n: u32| {
        Reply::Now(if n == 0 { Err(BoxError::from("of the caller's making")) } else { Ok(n) })
    });
    let mut service = layer.layer(probe);
    service.call(0).await.unwrap_err();
    service.call(1).await.unwrap();
    assert_eq!(layer.handle().state(), CircuitState::Closed);
    assert_eq!(service.call(7).await.unwrap(), 7, "judged, and passed through");
    assert_eq!(layer.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_open_time_of_max_never_ends() {
    for never in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        let (mut service, handle, inner) = build(first_failure().open_for(never));
        service.call(Act::Fail).await.unwrap_err();
        advance(Duration::from_secs(86_400)).await;
        let error = service.call(Act::Succeed).await.unwrap_err();
        assert_eq!(Rejection::find(error.as_ref()).unwrap().retry_after(), None);
        assert_eq!((handle.state(), inner.calls()), (CircuitState::Open, 1));
    }
}

/// The time was used up elsewhere, before this dependency was asked for anything.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_had_passed_before_the_call_says_nothing() {
    let layer = BreakerLayer::builder().consecutive_failures(1).build().unwrap();
    let (probe, _inner) = Probe::new(|_: ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let past = Deadline::after(Duration::ZERO);
    let mut call = task::spawn(Deadline::scope(Some(past), || service.call(())));
    assert_pending!(call.poll());
    Deadline::scope(Some(past), || drop(call));
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}

/// A probe whose admission the observer spoils still gives its place back.
#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_loses_no_probe() {
    let panics = |event: &Event<'_>| {
        let half_open = CircuitState::HalfOpen;
        assert!(!matches!(event.kind, EventKind::CircuitChanged { to, .. } if to == half_open));
    };
    let layer = BreakerLayer::builder()
        .consecutive_failures(1)
        .open_for(SECOND)
        .probe_lease(Duration::MAX)
        .observer(panics)
        .build()
        .unwrap();
    let (probe, _inner) =
        Probe::new(|fail| Reply::Now(if fail { Err("down".into()) } else { Ok(()) }));
    let mut service = layer.layer(probe);
    service.call(true).await.unwrap_err();
    advance(SECOND).await;
    catch_unwind(AssertUnwindSafe(|| drop(service.call(false)))).unwrap_err();
    service.call(false).await.expect("the place of the probe is free again");
}

/// Once the circuit has the outcome, nothing of the call is left.
#[tokio::test(start_paused = true)]
async fn the_call_goes_before_its_outcome_counts() {
    struct Sees(BreakerHandle, Arc<AtomicU32>);
    impl Drop for Sees {
        fn drop(&mut self) {
            self.1.store(self.0.snapshot().failures, Ordering::SeqCst);
        }
    }
    let layer = BreakerLayer::builder().consecutive_failures(9).build().unwrap();
    let (handle, seen) = (layer.handle(), Arc::new(AtomicU32::new(u32::MAX)));
    let (of_call, at_drop) = (handle.clone(), Arc::clone(&seen));
    let mut service = layer.layer(service_fn(move |_: ()| {
        let witness = Sees(of_call.clone(), Arc::clone(&at_drop));
        async move {
            let _witness = witness;
            pending::<Result<(), Infallible>>().await
        }
    }));
    let deadline = Deadline::after(Duration::from_secs(1));
    let mut call = task::spawn(Deadline::scope(Some(deadline), || service.call(())));
    assert_pending!(call.poll());
    advance(Duration::from_secs(1)).await;
    drop(call);
    assert_eq!((seen.load(Ordering::SeqCst), handle.snapshot().failures), (0, 1));
}

/// A good answer is judged when nothing of its call is left, too.
#[tokio::test(start_paused = true)]
async fn the_call_goes_before_its_response_is_judged() {
    let held = Arc::new(7);
    let (of_call, of_judge) = (Arc::clone(&held), Arc::downgrade(&held));
    let seen = Arc::new(AtomicU32::new(0));
    let at_judgement = Arc::clone(&seen);
    let judge = move |_: Result<&u32, &BoxError>| {
        let holders = u32::try_from(of_judge.strong_count()).unwrap();
        at_judgement.store(holders, Ordering::SeqCst);
        Judgement::SUCCESS
    };
    let layer = BreakerLayer::builder().classify(judge).build().unwrap();
    let mut service = layer.layer(service_fn(move |(): ()| {
        let of_call = Arc::clone(&of_call);
        // A future of its own kind keeps what it owns until it is dropped itself.
        poll_fn(move |_| Poll::Ready(Ok::<_, Infallible>(*of_call)))
    }));
    let before = u32::try_from(Arc::strong_count(&held)).unwrap();
    let mut call = task::spawn(service.call(()));
    assert_ready!(call.poll()).unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), before);
}

/// What time a call has is what it had when it began, however long the inner service takes to begin.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_call_is_made_cuts_it() {
    let layer = BreakerLayer::builder().consecutive_failures(1).build().unwrap();
    let mut service = layer.layer(service_fn(|(): ()| {
        // Its first poll moves the clock.
        let _ = task::spawn(advance(SECOND)).poll();
        pending::<Result<(), Infallible>>()
    }));
    let deadline = Some(Deadline::after(SECOND / 2));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(call.poll());
    Deadline::scope(deadline, || drop(call));
    assert_eq!(layer.handle().state(), CircuitState::Open);
}
