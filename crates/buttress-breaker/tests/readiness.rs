//! The mode `readiness`: `poll_ready` says what `call` is going to do, and holds nothing in vain.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder};
use buttress_core::{BoxError, CircuitState, Rejection, RejectionKind};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Reply, assert_pending, assert_ready, task};
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

const OPEN_FOR: Duration = Duration::from_secs(30);
const NEARLY: Duration = Duration::from_millis(29_999);
const LEASE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(1);

/// What the inner service shall do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    /// An error that says nothing about the dependency.
    Shrug,
    Hang,
}

type Guarded = Breaker<Probe<Act, ()>>;

fn first_failure() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(1).open_for(OPEN_FOR).probe_lease(LEASE)
}

fn actor() -> (Probe<Act, ()>, ProbeHandle) {
    Probe::new(|act| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err("down".into())),
        Act::Shrug => {
            let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
            Reply::Now(Err(Rejection::new("bulkhead", "full".into(), kind).into()))
        }
        Act::Hang => Reply::Never,
    })
}

fn build(builder: BreakerLayerBuilder) -> (Guarded, BreakerHandle, ProbeHandle) {
    let layer = builder.build().unwrap();
    let (probe, inner) = actor();
    (layer.layer(probe), layer.handle(), inner)
}

/// Opens the circuit by a call of another.
async fn trip<S: Service<Act> + Clone>(service: &S, handle: &BreakerHandle) {
    assert!(service.clone().oneshot(Act::Fail).await.is_err());
    assert_eq!(handle.state(), CircuitState::Open);
}

/// A task that asks whether the service is ready.
fn poll<S>(task: &mut task::Spawn<()>, service: &mut S) -> Poll<Result<(), BoxError>>
where
    S: Service<Act, Error = BoxError>,
{
    task.enter(|cx, _| service.poll_ready(cx))
}

fn is_refused(error: &BoxError) -> bool {
    Rejection::find(error.as_ref())
        .is_some_and(|rejection| matches!(rejection.kind(), RejectionKind::CircuitOpen { .. }))
}

#[tokio::test(start_paused = true)]
async fn waits_while_open_and_is_woken_when_half_open() {
    let (mut service, handle, inner) = build(first_failure().readiness());
    trip(&service, &handle).await;
    let mut task = task::spawn(());
    assert_pending!(poll(&mut task, &mut service));
    advance(NEARLY).await;
    assert!(!task.is_woken());
    advance(TICK).await;
    assert!(task.is_woken());
    assert_ready!(poll(&mut task, &mut service)).unwrap();
    service.call(Act::Succeed).await.unwrap();
    assert_eq!((handle.state(), inner.reserved()), (CircuitState::Closed, 0));
}

/// A waiter for a place among the probes is woken when one has become free, or there is news.
#[tokio::test(start_paused = true)]
async fn is_woken_when_another_s_probe_ends() {
    for (act, is_ready) in
        [(Act::Succeed, true), (Act::Shrug, true), (Act::Hang, true), (Act::Fail, false)]
    {
        let (mut service, handle, _inner) = build(first_failure().readiness());
        trip(&service, &handle).await;
        advance(OPEN_FOR).await;
        let mut other = service.clone();
        let probe = other.ready().await.unwrap().call(act);
        let mut task = task::spawn(());
        assert_pending!(poll(&mut task, &mut service));
        assert!(!task.is_woken());
        let mut probe = task::spawn(probe);
        let ended = probe.poll().is_ready();
        assert_eq!(ended, !matches!(act, Act::Hang));
        drop(probe);
        assert!(task.is_woken(), "{act:?}");
        assert_eq!(poll(&mut task, &mut service).is_ready(), is_ready, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_woken_when_a_probe_is_given_up() {
    let (mut service, handle, _inner) = build(first_failure().readiness());
    trip(&service, &handle).await;
    advance(OPEN_FOR).await;
    let mut other = service.clone();
    let _lost = other.ready().await.unwrap().call(Act::Hang);
    let mut task = task::spawn(());
    assert_pending!(poll(&mut task, &mut service));
    advance(LEASE).await;
    assert!(task.is_woken());
    assert_pending!(poll(&mut task, &mut service), "it is open again");
    // It has found that out itself, and so is told of it as well.
    assert_pending!(poll(&mut task, &mut service));
    advance(NEARLY).await;
    assert!(!task.is_woken());
    advance(TICK).await;
    assert!(task.is_woken());
    assert_ready!(poll(&mut task, &mut service)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn is_woken_by_an_operator() {
    for operate in [BreakerHandle::reset, BreakerHandle::force_closed, BreakerHandle::resume] {
        let (mut service, handle, _inner) = build(first_failure().readiness());
        handle.force_open();
        let mut task = task::spawn(());
        assert_pending!(poll(&mut task, &mut service));
        advance(1_000 * OPEN_FOR).await;
        assert!(!task.is_woken(), "held open");
        operate(&handle);
        assert!(task.is_woken());
        assert_ready!(poll(&mut task, &mut service)).unwrap();
    }
}

/// The fault of a readied service that keeps a permit of the inner one while it is of no use.
#[tokio::test(start_paused = true)]
async fn gives_back_what_it_holds_when_the_circuit_opens() {
    let (probe, inner) = actor();
    let mut limited = ConcurrencyLimit::new(probe, 1);
    let layer = first_failure().readiness().build().unwrap();
    let mut service = layer.layer(limited.clone());
    let mut task = task::spawn(());
    assert_ready!(poll(&mut task, &mut service)).unwrap();
    assert_pending!(task::spawn(limited.ready()).poll(), "it has the only permit");
    trip(&layer.layer(actor().0), &layer.handle()).await;
    assert_pending!(poll(&mut task, &mut service));
    assert_ready!(task::spawn(limited.ready()).poll()).expect("the only permit");
    assert_eq!(inner.reserved(), 1, "that of the other");
}

#[tokio::test(start_paused = true)]
async fn the_readied_instance_is_the_one_that_is_called() {
    let (mut service, _handle, inner) = build(first_failure().readiness());
    let mut task = task::spawn(());
    for calls in 1..=2 {
        inner.set_readiness(Readiness::Ready);
        assert_ready!(poll(&mut task, &mut service)).unwrap();
        // No other instance would be ready now.
        inner.set_readiness(Readiness::Pending);
        assert_eq!(inner.reserved(), 1);
        assert_ready!(task::spawn(service.call(Act::Succeed)).poll()).unwrap();
        assert_eq!((inner.calls(), inner.reserved()), (calls, 0));
    }
    assert_pending!(poll(&mut task, &mut service), "the inner service is waited for");
    assert!(!task.is_woken());
    inner.set_readiness(Readiness::Ready);
    assert!(task.is_woken());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_call_s_and_a_failure() {
    let (mut service, handle, inner) = build(first_failure().consecutive_failures(2).readiness());
    inner.set_readiness(Readiness::Broken);
    assert_ready!(poll(&mut task::spawn(()), &mut service)).expect("ready to say so");
    inner.set_readiness(Readiness::Pending);
    assert_ready!(poll(&mut task::spawn(()), &mut service)).expect("it still has to say so");
    // A clone was not told of it.
    inner.set_readiness(Readiness::Ready);
    service.clone().oneshot(Act::Succeed).await.unwrap();
    assert_eq!(service.call(Act::Succeed).await.unwrap_err().to_string(), "the probe is broken");
    assert_eq!((handle.snapshot().failures, inner.calls()), (1, 1));
    service.ready().await.unwrap().call(Act::Succeed).await.expect("it was told once");

    // Nor does it wait behind an open circuit, to be told when all is well again.
    inner.set_readiness(Readiness::Broken);
    assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
    handle.force_open();
    assert!(is_refused(&service.call(Act::Succeed).await.unwrap_err()));
    handle.reset();
    inner.set_readiness(Readiness::Ready);
    service.ready().await.unwrap().call(Act::Succeed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_call_decides_by_the_state_of_its_moment() {
    let (mut service, handle, inner) = build(first_failure().readiness());
    assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
    trip(&service, &handle).await;
    assert_eq!(inner.reserved(), 1);
    let refused = service.call(Act::Succeed);
    assert_eq!(inner.reserved(), 0, "given back at once");
    assert!(is_refused(&refused.await.unwrap_err()));
    assert_eq!(inner.calls(), 1, "of the one that opened it");
}

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_leaves_nothing_behind() {
    let (service, handle, inner) = build(first_failure().readiness());
    trip(&service, &handle).await;
    let witness = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&witness));
    let mut waiting: Vec<_> = (0..3).map(|_| service.clone()).collect();
    for _ in 0..2 {
        for service in &mut waiting {
            let mut cx = Context::from_waker(&waker);
            assert_pending!(Service::<Act>::poll_ready(service, &mut cx));
        }
    }
    // A clone has another place: its end takes nobody else's.
    let mut task = task::spawn(());
    let mut stays = waiting[0].clone();
    assert_pending!(poll(&mut task, &mut stays));
    drop((waiting, waker, stays.clone()));
    assert_eq!(Arc::strong_count(&witness), 1);
    handle.reset();
    assert!(task.is_woken());
    assert_eq!(inner.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_not_ready() {
    let (mut service, _handle, inner) = build(first_failure().readiness());
    assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
    let mut clone = service.clone();
    inner.set_readiness(Readiness::Pending);
    assert_eq!(inner.reserved(), 1);
    assert_pending!(poll(&mut task::spawn(()), &mut clone));
    drop(service);
    assert_eq!(inner.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_only_reports_waits_for_the_inner_service_alone() {
    let (mut service, handle, inner) = build(first_failure().readiness().shadow());
    trip(&service, &handle).await;
    assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
    service.call(Act::Succeed).await.unwrap();
    inner.set_readiness(Readiness::Pending);
    assert_pending!(poll(&mut task::spawn(()), &mut service));
}

#[tokio::test(start_paused = true)]
async fn always_ready_unless_asked_for() {
    let (mut service, handle, inner) = build(first_failure());
    for readiness in [Readiness::Ready, Readiness::Pending, Readiness::Broken] {
        inner.set_readiness(readiness);
        assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
        assert_eq!(inner.reserved(), 0);
    }
    handle.force_open();
    assert_ready!(poll(&mut task::spawn(()), &mut service)).unwrap();
}

/// There is no request yet to take a key of.
#[cfg(feature = "keyed")]
#[tokio::test(start_paused = true)]
async fn one_circuit_a_key_waits_for_the_inner_service_alone() {
    let by_act = |act: &Act| format!("{act:?}");
    let layer = first_failure().readiness().keyed(by_act).build().unwrap();
    let (probe, inner) = actor();
    let mut service = layer.layer(probe);
    service.ready().await.unwrap().call(Act::Fail).await.unwrap_err();
    let mut task = task::spawn(());
    assert_ready!(poll(&mut task, &mut service)).unwrap();
    assert!(is_refused(&service.call(Act::Fail).await.unwrap_err()));
    assert_eq!(inner.reserved(), 0);
    service.ready().await.unwrap().call(Act::Succeed).await.unwrap();
    inner.set_readiness(Readiness::Pending);
    assert_pending!(poll(&mut task, &mut service));
}
