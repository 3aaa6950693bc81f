//! tower's contract, kept towards the inner service and towards the caller.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Judgement};
use buttress_retry::{Backoff, Jitter, JitteredRetryLayer, JitteredRetryLayerBuilder};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use tokio::time::{Instant, advance};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::ConcurrencyLimitLayer,
    service_fn,
    util::{BoxCloneService, BoxCloneSyncServiceLayer},
};

const SECOND: Duration = Duration::from_secs(1);

/// Three attempts, a second between the first two and two between the others.
fn exact() -> JitteredRetryLayerBuilder {
    JitteredRetryLayer::builder()
        .backoff(Backoff::exponential(SECOND, Duration::MAX))
        .jitter(Jitter::None)
}

/// A probe whose calls fail until the number `from`, counted from 1, and serve from then on.
fn serves_from(from: usize) -> (Probe<&'static str, String>, ProbeHandle) {
    let calls = AtomicUsize::new(0);
    Probe::new(move |request: &'static str| {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call < from {
            Reply::Now(Err(format!("{request} failed {call}").into()))
        } else {
            Reply::Now(Ok(format!("{request} served")))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn every_attempt_goes_to_an_instance_that_was_readied_for_it() {
    let (probe, handle) = serves_from(3);
    let mut service = exact().build().unwrap().layer(probe);
    let start = Instant::now();
    assert_eq!(service.ready().await.unwrap().call("it").await.unwrap(), "it served");
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_eq!((handle.calls(), handle.reserved()), (3, 0));
    let mut clone = service.clone();
    clone.ready().await.unwrap().call("again").await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

/// Retry that calls a clone without readying it: panics over `ConcurrencyLimit` and `Buffer`.
#[tokio::test(start_paused = true)]
async fn readies_its_clones_over_a_concurrency_limit() {
    let (probe, handle) = serves_from(9);
    let service = ServiceBuilder::new()
        .layer(exact().build().unwrap())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(probe);
    // Four calls at one place: each gives it back before it waits, and waits for it again.
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(service.clone().oneshot("it"))).collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap().is_ok());
    }
    assert_eq!((handle.calls(), served), (12, 4), "the ninth call and those after it serve");
    service.oneshot("the place came back").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn readies_its_clones_over_a_buffer() {
    let (probe, handle) = serves_from(3);
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(exact().build().unwrap())
                .layer(BufferLayer::new(1))
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(probe);
    assert_eq!(service.clone().oneshot("it").await.unwrap(), "it served");
    assert_eq!(handle.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_readiness_of_each_attempt_and_is_woken_by_it() {
    let (probe, handle) = serves_from(2);
    handle.set_readiness(Readiness::Pending);
    let layer = exact().build().unwrap();
    let budget = layer.budget().unwrap().clone();
    let mut service = layer.layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call("it"));
    assert_pending!(call.poll());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_pending!(call.poll(), "the first attempt has failed");
    assert_eq!((handle.calls(), handle.reserved()), (1, 0), "nothing is held while it waits");

    handle.set_readiness(Readiness::Pending);
    advance(SECOND).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(handle.calls(), 1);
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()).unwrap(), "it served");
    assert_eq!((handle.calls(), handle.reserved()), (2, 0));
    assert_eq!(budget.snapshot().retries, 1, "paid when it is sent, though it had to wait");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_ends_the_call_untouched() {
    let (probe, handle) = serves_from(1);
    handle.set_readiness(Readiness::Broken);
    let recorder = Recorder::new();
    let mut service = exact().observer(recorder.clone()).build().unwrap().layer(probe);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = service.call("it").await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");
    assert_eq!((handle.calls(), recorder.take().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_readiness_does_not_replace_the_last_real_error() {
    for at_once in [true, false] {
        let (probe, handle) = serves_from(9);
        let mut call = task::spawn(exact().build().unwrap().layer(probe).call("it"));
        assert_pending!(call.poll());
        if !at_once {
            handle.set_readiness(Readiness::Pending);
            advance(SECOND).await;
            assert_pending!(call.poll());
        }
        handle.set_readiness(Readiness::Broken);
        advance(SECOND).await;
        assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "it failed 1");
        assert_eq!(handle.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_response_that_is_gone_the_error_of_readiness_remains() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("busy")));
    let busy = |result: Result<&&str, &BoxError>| match result {
        Ok(_) => Judgement::FAILURE,
        Err(error) => Judgement::of_error(error.as_ref()),
    };
    let mut call = task::spawn(exact().classify(busy).build().unwrap().layer(probe).call(()));
    assert_pending!(call.poll());
    handle.set_readiness(Readiness::Broken);
    advance(SECOND).await;
    assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "the probe is broken");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_its_attempt_and_makes_no_other() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = exact().build().unwrap().layer(probe);
    drop(service.call(()));
    let mut polled = task::spawn(service.call(()));
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));

    let (probe, handle) = serves_from(2);
    let mut waiting = task::spawn(exact().build().unwrap().layer(probe).call("it"));
    assert_pending!(waiting.poll());
    drop(waiting);
    advance(9 * SECOND).await;
    assert_eq!((handle.calls(), handle.in_flight(), handle.reserved()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_holds_nothing() {
    let (probe, _handle) = serves_from(1);
    let limited = ConcurrencyLimitLayer::new(1).layer(probe);
    let service = exact().build().unwrap().layer(limited);
    let mut ended = task::spawn(service.clone().call("it"));
    assert_ready!(ended.poll()).unwrap();
    let mut next = task::spawn(service.clone().call("it"));
    assert_ready!(next.poll()).expect("the place is free while the first future still exists");
    drop(ended);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_attempt_goes_through_and_leaves_the_service_usable() {
    for (reply, at) in [(0, 1), (0, 2), (1, 1), (1, 2)] {
        let calls = AtomicUsize::new(0);
        let (probe, handle) = Probe::new(move |(): ()| {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            match (call == at, reply) {
                (true, 0) => Reply::Panic,
                (true, _) => Reply::PanicInCall,
                (false, _) if call < at => Reply::Now(Err("not yet".into())),
                (false, _) => Reply::Now(Ok(())),
            }
        });
        let service = exact().build().unwrap().layer(probe);
        let clone = service.clone();
        let panicked = tokio::spawn(async move { clone.oneshot(()).await }).await.unwrap_err();
        assert!(panicked.is_panic());
        service.oneshot(()).await.unwrap();
        assert_eq!((handle.calls(), handle.in_flight(), handle.reserved()), (at + 1, 0, 0));
    }
}

/// Counts its clones, and panics in the next `clone` when told to.
struct Cloned<S> {
    inner: S,
    clones: Arc<AtomicUsize>,
    panics: Arc<AtomicBool>,
}

impl<S: Clone> Clone for Cloned<S> {
    fn clone(&self) -> Self {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "told to panic in clone");
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self {
            inner: self.inner.clone(),
            clones: Arc::clone(&self.clones),
            panics: Arc::clone(&self.panics),
        }
    }
}

impl<S: Service<Req>, Req> Service<Req> for Cloned<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_well_clones_nothing() {
    let (probe, _handle) =
        Probe::new(|fail: bool| Reply::Now(if fail { Err("it".into()) } else { Ok(()) }));
    let clones = Arc::new(AtomicUsize::new(0));
    let inner =
        Cloned { inner: probe, clones: Arc::clone(&clones), panics: Arc::new(false.into()) };
    let mut service = exact().build().unwrap().layer(inner);
    let before = clones.load(Ordering::SeqCst);
    for _ in 0..10 {
        service.ready().await.unwrap().call(false).await.unwrap();
    }
    assert_eq!(clones.load(Ordering::SeqCst), before);
    service.call(true).await.unwrap_err();
    assert_eq!(clones.load(Ordering::SeqCst), before + 2, "one for each later attempt");
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_panics_poisons_nothing() {
    let (probe, handle) = serves_from(3);
    let panics = Arc::new(AtomicBool::new(false));
    let inner = Cloned { inner: probe, clones: Arc::default(), panics: Arc::clone(&panics) };
    let mut service = exact().build().unwrap().layer(inner);
    panics.store(true, Ordering::SeqCst);
    assert!(tokio::spawn(service.call("it")).await.unwrap_err().is_panic());
    assert_eq!(service.call("it").await.unwrap(), "it served");
    assert_eq!(handle.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn says_once_what_it_does_about_a_failure() {
    let (probe, _handle) = serves_from(9);
    let recorder = Recorder::new();
    let layer = exact().name("pricing").observer(recorder.clone()).build().unwrap();
    let service = layer.layer(probe);
    let error = service.clone().oneshot("it").await.unwrap_err();
    assert_eq!(error.to_string(), "it failed 3", "the last one, untouched");
    let expected = [
        "retry pricing: retrying after attempt 1",
        "retry pricing: retrying after attempt 2",
        "retry pricing: gave up after 3: no attempts left",
    ];
    assert_eq!(recorder.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn says_nothing_where_no_retry_was_asked_for() {
    let recorder = Recorder::new();
    let observed = || exact().observer(recorder.clone());
    let (probe, _handle) = serves_from(1);
    observed().build().unwrap().layer(probe).oneshot("it").await.unwrap();
    let (probe, handle) = serves_from(9);
    let never = |_: Result<&String, &BoxError>| Judgement::NEUTRAL;
    let mut hopeless = observed().classify(never).build().unwrap().layer(probe);
    assert_eq!(hopeless.call("it").await.unwrap_err().to_string(), "it failed 1");
    assert_eq!((handle.calls(), recorder.take().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn reads_the_ambient_deadline_once_in_call() {
    let (probe, handle) = serves_from(9);
    let mut service = exact().build().unwrap().layer(probe);
    let soon = Deadline::after(SECOND / 2);
    let bounded = Deadline::scope(Some(soon), || service.call("it"));
    bounded.await.unwrap_err();
    assert_eq!(handle.calls(), 1, "it does not wait past the deadline of its call");

    let mut unbounded = task::spawn(service.call("it"));
    Deadline::scope(Some(soon), || assert_pending!(unbounded.poll()));
    assert!(unbounded.await.is_err());
    assert_eq!(handle.calls(), 4, "nor stops at one that it did not have");
}

#[tokio::test]
async fn auto_traits() {
    let layer = JitteredRetryLayer::new(3).unwrap();
    assert_layer_traits(&layer);
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));

    // An inner service that can not be shared by threads is no obstacle to spawning.
    let unshareable: BoxCloneService<(), (), Infallible> =
        BoxCloneService::new(service_fn(async |_: ()| Ok(())));
    assert_future_traits(&layer.layer(unshareable).call(()));
}
