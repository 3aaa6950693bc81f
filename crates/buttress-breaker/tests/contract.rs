//! tower's contract, kept towards the inner service and towards the caller.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_breaker::{BreakerHandle, BreakerLayer, BreakerLayerBuilder};
use buttress_core::{BoxError, CircuitState, Rejection, RejectionKind, Trip};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use tokio::time::{advance, sleep};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::{ConcurrencyLimit, ConcurrencyLimitLayer},
    service_fn,
    util::BoxCloneSyncServiceLayer,
};

const OPEN_FOR: Duration = Duration::from_secs(30);

fn two_failures() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(2).open_for(OPEN_FOR)
}

/// A service that fails when it is told to.
fn fallible() -> (Probe<bool, ()>, ProbeHandle) {
    Probe::new(|fail| Reply::Now(if fail { Err("down".into()) } else { Ok(()) }))
}

async fn trip<S: Service<bool> + Clone>(service: &S, handle: &BreakerHandle) {
    for _ in 0..2 {
        assert!(service.clone().oneshot(true).await.is_err());
    }
    assert_eq!(handle.state(), CircuitState::Open);
}

fn open_circuit(error: &BoxError) -> &Rejection {
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert_eq!(rejection.kind(), &RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(2) });
    rejection
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let mut service = BreakerLayer::new().layer(probe);
    for n in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n + 1);
    }
    let mut clone = service.clone();
    assert_eq!(clone.ready().await.unwrap().call(7).await.unwrap(), 8);
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    let (probe, handle) = fallible();
    handle.set_readiness(Readiness::Pending);
    let mut service = BreakerLayer::new().layer(probe);
    let mut ready = task::spawn(service.ready());
    let mut call = task::spawn(assert_ready!(ready.poll()).unwrap().call(false));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    call.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_call_s_and_a_failure() {
    let (probe, inner) = fallible();
    inner.set_readiness(Readiness::Broken);
    let layer = two_failures().build().unwrap();
    let mut service = layer.layer(probe);
    for failures in 1..=2 {
        let service = service.ready().await.expect("refusals never come from poll_ready");
        assert_eq!(service.call(false).await.unwrap_err().to_string(), "the probe is broken");
        assert_eq!(layer.handle().snapshot().failures, failures);
    }
    assert_eq!(layer.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn inner_errors_pass_untouched() {
    let (probe, _inner) = fallible();
    let error = BreakerLayer::new().layer(probe).oneshot(true).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert!(Rejection::find(error.as_ref()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = BreakerLayer::new().layer(probe);
    drop(service.call(()));
    let mut polled = task::spawn(service.call(()));
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_goes_through_and_leaves_the_service_usable() {
    let (probe, handle) =
        Probe::new(|fail: bool| if fail { Reply::Panic } else { Reply::Now(Ok(())) });
    let service = BreakerLayer::new().layer(probe);
    let panicked = tokio::spawn(service.clone().oneshot(true)).await.unwrap_err();
    assert!(panicked.is_panic());
    service.oneshot(false).await.unwrap();
    assert_eq!(handle.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_does_not_wait_for_an_inner_service_that_is_not_ready() {
    let (probe, inner) = fallible();
    let layer = two_failures().build().unwrap();
    let mut service = layer.layer(probe);
    trip(&service, &layer.handle()).await;
    inner.set_readiness(Readiness::Pending);
    advance(OPEN_FOR / 2).await;
    let mut ready = task::spawn(service.ready());
    let service = assert_ready!(ready.poll()).unwrap();
    let error = assert_ready!(task::spawn(service.call(false)).poll()).unwrap_err();
    assert_eq!(open_circuit(&error).retry_after(), Some(OPEN_FOR / 2));
    assert_eq!((inner.calls(), inner.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_readied_clone_keeps_no_permit_while_it_is_rejected() {
    let (probe, inner) = fallible();
    let mut limited = ConcurrencyLimit::new(probe, 1);
    let layer = two_failures().build().unwrap();
    let mut service = layer.layer(limited.clone());
    trip(&service, &layer.handle()).await;
    let refused = service.ready().await.unwrap().call(false);
    let mut clone = service.clone();
    let _readied = assert_ready!(task::spawn(clone.ready()).poll()).unwrap();
    let other = assert_ready!(task::spawn(limited.ready()).poll()).expect("the only permit");
    other.call(false).await.unwrap();
    open_circuit(&refused.await.unwrap_err());
    assert_eq!((inner.calls(), inner.reserved()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_share_one_breaker() {
    let layer = two_failures().build().unwrap();
    let (one, _) = fallible();
    let (two, reached) = fallible();
    trip(&layer.layer(one.clone()), &layer.handle()).await;
    for same in [layer.clone().layer(two.clone()), layer.layer(two.clone())] {
        open_circuit(&same.oneshot(false).await.unwrap_err());
    }
    assert_eq!(reached.calls(), 0);

    let apart = layer.isolated();
    apart.layer(two.clone()).oneshot(false).await.expect("a circuit of its own");
    trip(&apart.layer(one), &apart.handle()).await;
    assert_eq!(layer.handle().snapshot().opened, 1, "not touched by the other");
}

#[tokio::test(start_paused = true)]
async fn says_once_what_happened() {
    let recorder = Recorder::new();
    let layer = two_failures().name("prices").observer(recorder.clone()).build().unwrap();
    let (probe, _inner) = fallible();
    let service = layer.layer(probe);
    service.clone().oneshot(false).await.unwrap();
    trip(&service, &layer.handle()).await;
    assert_eq!(recorder.take(), ["breaker prices: circuit closed -> open"]);
    for _ in 0..2 {
        service.clone().oneshot(false).await.unwrap_err();
        let line = "breaker prices: rejected: circuit open, since 2 calls in a row failed";
        assert_eq!(recorder.take(), [line]);
    }
    advance(OPEN_FOR).await;
    for _ in 0..2 {
        assert_eq!(layer.handle().state(), CircuitState::HalfOpen);
    }
    assert_eq!(recorder.take(), ["breaker prices: circuit open -> half-open"]);
    service.clone().oneshot(true).await.unwrap_err();
    assert_eq!(recorder.take(), ["breaker prices: circuit half-open -> open"]);
    advance(OPEN_FOR).await;
    let mut service = service;
    let probe = service.call(false);
    // When it happens, and not when the probe ends.
    assert_eq!(recorder.take(), ["breaker prices: circuit open -> half-open"]);
    probe.await.unwrap();
    assert_eq!(recorder.take(), ["breaker prices: circuit half-open -> closed"]);
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.opened, snapshot.rejected, snapshot.generation), (2, 2, 5));
}

/// What a refused call finds to have happened is told before its refusal.
#[tokio::test(start_paused = true)]
async fn says_what_happened_before_what_came_of_it() {
    let recorder = Recorder::new();
    let layer = two_failures().probe_lease(OPEN_FOR).observer(recorder.clone()).build().unwrap();
    let (probe, _inner) =
        Probe::new(|fail| if fail { Reply::Now(Err("down".into())) } else { Reply::<()>::Never });
    let mut service = layer.layer(probe);
    trip(&service, &layer.handle()).await;
    advance(OPEN_FOR).await;
    let _lost = service.call(false);
    advance(OPEN_FOR).await;
    recorder.take();
    let _refused = service.call(false);
    let told = [
        "breaker breaker: circuit half-open -> open",
        "breaker breaker: rejected: circuit open, since a probe did not end in time",
    ];
    assert_eq!(recorder.take(), told);
}

/// An inner future that is over may still hold something until it is dropped.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_is_dropped_before_it_counts() {
    struct Over(BreakerHandle, Arc<AtomicU32>);
    impl Future for Over {
        type Output = Result<(), BoxError>;

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Err("down".into()))
        }
    }
    impl Drop for Over {
        fn drop(&mut self) {
            self.1.store(self.0.snapshot().failures, Ordering::SeqCst);
        }
    }
    let layer = two_failures().build().unwrap();
    let (handle, seen) = (layer.handle(), Arc::new(AtomicU32::new(u32::MAX)));
    let (of_call, at_drop) = (handle.clone(), Arc::clone(&seen));
    let inner = service_fn(move |_: ()| Over(of_call.clone(), Arc::clone(&at_drop)));
    let mut call = task::spawn(layer.layer(inner).call(()));
    assert_ready!(call.poll()).unwrap_err();
    assert_eq!((seen.load(Ordering::SeqCst), handle.snapshot().failures), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let slow = service_fn(async |fail: bool| {
        sleep(OPEN_FOR / 10).await;
        if fail { Err(BoxError::from("down")) } else { Ok(()) }
    });
    let layer = two_failures().build().unwrap();
    let handle = layer.handle();
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(layer)
                .layer(BufferLayer::new(8))
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(slow);
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(service.clone().oneshot(true))).collect();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    assert_eq!(handle.snapshot().opened, 1);
    advance(OPEN_FOR).await;
    service.oneshot(false).await.expect("the probe finds a place");
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test]
async fn auto_traits() {
    let layer = BreakerLayer::default();
    assert_layer_traits(&layer);
    assert_layer_traits(&layer.handle());
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}
