//! What a limit that learns is told of calls.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_bulkhead::{BulkheadLayer, Limit, Sample};
use buttress_core::{BoxError, Deadline, Outcome, Rejection, RejectionKind};
use buttress_testkit::{Probe, Readiness, Reply, assert_pending, assert_ready, task};
use tokio::time::{advance, timeout};
use tower::{Layer, Service};

use crate::{SECOND, told::Told};

#[tokio::test(start_paused = true)]
async fn a_limit_is_told_how_long_a_call_took_and_how_it_ended() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let (probe, _inner) = Probe::new(|request: &str| match request {
        "answer" => Reply::After(SECOND, Ok(())),
        "error" => Reply::After(SECOND, Err("down".into())),
        "refused" => {
            let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
            Reply::Now(Err(Rejection::new("bulkhead", "inner".into(), kind).into()))
        }
        "panic" => Reply::Panic,
        "panic in call" => Reply::PanicInCall,
        _ => Reply::Never,
    });
    let mut service = layer.layer(probe);
    let mut one = async |request| {
        if request == "panic in call" {
            let call = || drop(service.call(request));
            return assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        }
        let mut call = task::spawn(service.call(request));
        if request == "panic" {
            return assert!(tokio::spawn(call.into_inner()).await.unwrap_err().is_panic());
        }
        if call.poll().is_pending() {
            advance(SECOND).await;
            let _ = call.poll();
        }
    };
    for request in ["answer", "error", "refused", "panic", "panic in call", "hang"] {
        one(request).await;
    }
    let expected = [
        (SECOND, 1, Outcome::Success),
        (SECOND, 1, Outcome::Failure),
        (Duration::ZERO, 1, Outcome::Neutral),
        (Duration::ZERO, 1, Outcome::Failure),
        (Duration::ZERO, 1, Outcome::Failure),
        (SECOND, 1, Outcome::Neutral),
    ];
    assert_eq!(told.take(), expected, "the last one's caller hung up");

    // What waits with others counts them, and what is cut has failed.
    let _other = service.call("hang");
    let deadline = Deadline::after(SECOND);
    let call = service.call("hang");
    advance(SECOND).await;
    Deadline::scope(Some(deadline), || drop(call));
    assert_eq!(told.take(), [(SECOND, 2, Outcome::Failure)]);
    assert_eq!(layer.handle().in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_its_own_is_no_sample() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).max_wait(SECOND).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let _hangs = service.call(());
    let late = service.call(());
    assert!(service.call(()).await.is_err(), "full");
    assert!(timeout(2 * SECOND, late).await.expect("it ends").is_err(), "late");
    assert_eq!(told.take(), []);
}

/// Its own deadline had passed, and it was not made: that is no failure of the dependency.
#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_late_is_no_sample_and_no_admission() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).max_wait(10 * SECOND).build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let first = service.call(());
    let deadline = Some(Deadline::after(SECOND));
    let mut late = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(late.poll());
    advance(2 * SECOND).await;
    drop(first);
    assert_eq!(told.take(), [(2 * SECOND, 1, Outcome::Neutral)], "the first, whose caller left");
    assert!(assert_ready!(Deadline::scope(deadline, || late.poll())).is_err());
    assert_eq!((told.take(), inner.calls()), (vec![], 1));
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.admitted, snapshot.rejected.total()), (1, 1), "each call once");
    assert_eq!((snapshot.waits.count(), snapshot.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_whoever_catches_it_and_one_elsewhere_is_none() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let (probe, _inner) = Probe::new(|panics| if panics { Reply::Panic } else { Reply::Never });
    let mut service = layer.layer(probe);
    let mut call = task::spawn(service.call(true));
    let poll = || call.poll().map(|answer: Result<(), BoxError>| answer.is_ok());
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    // It is dropped when the panic has passed, as by a layer that makes responses of panics.
    drop(call);
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Failure)]);

    let bystander = service.call(false);
    let panics = async move {
        let _bystander = bystander;
        panic!("told to panic");
    };
    assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Neutral)]);
}

#[tokio::test(start_paused = true)]
async fn under_backpressure_a_call_is_measured_from_its_beginning_and_what_is_no_call_is_not() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).backpressure().build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    advance(5 * SECOND).await;
    service.call(()).await.unwrap();
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Success)]);

    inner.set_readiness(Readiness::Broken);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(()).await.unwrap_err();
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Failure)], "as without backpressure");

    inner.set_readiness(Readiness::Ready);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    Deadline::scope(Some(Deadline::after(Duration::ZERO)), || drop(service));
    assert_eq!((told.take(), layer.handle().in_flight()), (vec![], 0));
}

/// Panics when it is told of a failure.
#[derive(Clone)]
struct Panics;

impl Limit for Panics {
    fn current(&self) -> usize {
        1
    }

    fn learn(&mut self, sample: &Sample) {
        assert_ne!(sample.judgement.outcome, Outcome::Failure, "told to panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_panics_costs_no_place() {
    let layer = BulkheadLayer::builder().limit(Panics).build().unwrap();
    let (probe, _inner) =
        Probe::new(|fails| Reply::Now(if fails { Err("down".into()) } else { Ok(()) }));
    let mut service = layer.layer(probe);
    for _ in 0..2 {
        assert!(tokio::spawn(service.call(true)).await.unwrap_err().is_panic());
        assert_eq!(layer.handle().in_flight(), 0);
        service.call(false).await.unwrap();
    }
}

/// Would panic if it were told of anything.
#[derive(Clone)]
struct Deaf;

impl Limit for Deaf {
    fn current(&self) -> usize {
        1
    }

    fn learn(&mut self, sample: &Sample) {
        panic!("it was told of {sample:?}");
    }

    fn learns(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_does_not_learn_is_told_nothing() {
    let layer = BulkheadLayer::builder().limit(Deaf).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    layer.layer(probe).call(()).await.unwrap();
    assert_eq!(layer.handle().snapshot().admitted, 1);
}

/// Its caller had no time left when he made it: whoever used that up, it was not the dependency.
#[tokio::test(start_paused = true)]
async fn a_call_that_had_no_time_to_begin_with_is_no_failure() {
    let told = Told::new(2);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let passed = Some(Deadline::after(Duration::ZERO));
    let call = Deadline::scope(passed, || service.call(()));
    advance(SECOND).await;
    Deadline::scope(passed, || drop(call));
    // One whose time is up only later, also where nobody says so when it is dropped.
    let call = Deadline::scope(Some(Deadline::after(SECOND)), || service.call(()));
    advance(SECOND).await;
    drop(call);
    let expected = [(SECOND, 1, Outcome::Neutral), (SECOND, 1, Outcome::Failure)];
    assert_eq!(told.take(), expected);
}

/// The deadline that it was made under is that of the call, also where it had to wait for its place.
#[tokio::test(start_paused = true)]
async fn a_call_that_waited_knows_its_deadline() {
    for waits in [false, true] {
        let told = Told::new(1);
        let layer = BulkheadLayer::builder().limit(told.clone()).max_wait(10 * SECOND);
        let layer = layer.build().unwrap();
        let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
        let mut service = layer.layer(probe);
        let first = waits.then(|| service.call(()));
        let deadline = Some(Deadline::after(SECOND));
        let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
        assert_pending!(call.poll());
        drop(first);
        assert_pending!(call.poll());
        told.take();
        advance(SECOND).await;
        drop(call);
        assert_eq!(told.take(), [(SECOND, 1, Outcome::Failure)], "{waits}");
    }
}
