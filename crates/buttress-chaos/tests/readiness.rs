//! Readiness that is refused or delayed, and what stands around it.

use std::{convert::Infallible, time::Duration};

use buttress_chaos::{ChaosLayer, ChaosLayerBuilder, Faults};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{Probe, Readiness, Recorder, Reply, assert_pending, assert_ready, task};
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, advance},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn unready(rate: f64) -> Faults {
    Faults::none().unready(rate).unwrap()
}

fn late(delay: Duration) -> Faults {
    Faults::none().ready_late(1.0, delay).unwrap()
}

fn builder(faults: &Faults) -> ChaosLayerBuilder {
    ChaosLayer::builder().faults(*faults).rng(7)
}

fn layer(faults: &Faults) -> ChaosLayer {
    builder(faults).build().unwrap()
}

fn injected(error: &BoxError) -> bool {
    Rejection::find(error.as_ref()).is_some_and(|found| found.kind() == &RejectionKind::Injected)
}

#[tokio::test]
async fn a_refusal_comes_from_poll_ready_and_the_inner_service_is_not_asked() {
    let recorder = Recorder::new();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = builder(&unready(1.0)).observer(recorder.clone()).build().unwrap();
    let mut service = layer.layer(probe.clone());
    for _ in 0..2 {
        assert!(injected(service.ready().await.err().as_ref().unwrap()));
        assert_eq!(recorder.take(), ["chaos chaos: injected unready"]);
    }
    assert_eq!((inner.calls(), inner.reserved()), (0, 0));
    layer.handle().clear();
    service.ready().await.unwrap().call(()).await.unwrap();

    let layer = builder(&unready(1.0)).error(|| "gone").build().unwrap();
    assert_eq!(layer.layer(probe).ready().await.err().unwrap().to_string(), "gone");
}

/// However often it is polled, a question is drawn for once; there is another for the next call.
#[tokio::test]
async fn a_service_that_is_ready_stays_so_until_it_is_called() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer(&unready(0.5)).layer(probe);
    let (mut refused, mut answered) = (0, 0);
    for _ in 0..1000 {
        if service.ready().await.is_err() {
            refused += 1;
            continue;
        }
        answered += 1;
        for _ in 0..20 {
            service.ready().await.expect("it was ready already");
        }
        service.call(()).await.unwrap();
    }
    // Five standard deviations.
    assert!((420..=580).contains(&refused) && answered == 1000 - refused, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn late_readiness_wakes_whoever_waits_for_it() {
    let recorder = Recorder::new();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = builder(&late(SECOND)).observer(recorder.clone()).build().unwrap();
    let mut service = layer.layer(probe);
    for _ in 0..2 {
        let mut ready = task::spawn(service.ready());
        assert_pending!(ready.poll());
        advance(SECOND / 2).await;
        assert_pending!(ready.poll());
        assert_eq!(recorder.take(), ["chaos chaos: injected ready_late"], "told when it begins");
        advance(499 * MILLI).await;
        assert!(!ready.is_woken());
        advance(MILLI).await;
        assert!(ready.is_woken());
        assert_ready!(ready.poll()).unwrap();
        drop(ready);
        // It stays ready, and is asked anew for the next call.
        assert_ready!(task::spawn(service.ready()).poll()).unwrap();
        assert_eq!(inner.reserved(), 0, "the inner service's is claimed in the call");
        service.call(()).await.unwrap();
        recorder.take();
    }
}

/// Who asks goes on waiting where he left; a clone has not been asked.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_and_comes_back_waits_for_the_rest() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer(&late(SECOND)).layer(probe);
    let mut ready = task::spawn(service.ready());
    assert_pending!(ready.poll());
    drop(ready);
    advance(999 * MILLI).await;
    let mut clone = service.clone();
    let (mut first, mut second) = (task::spawn(service.ready()), task::spawn(clone.ready()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    advance(MILLI).await;
    assert!(first.is_woken() && !second.is_woken());
    assert_ready!(first.poll()).unwrap();
    advance(SECOND).await;
    assert_ready!(second.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longest_delay_is_for_ever_and_a_struck_question_stays_struck() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = layer(&late(Duration::MAX));
    let mut service = layer.layer(probe);
    let mut ready = task::spawn(service.ready());
    assert_pending!(ready.poll());
    layer.handle().clear();
    advance(86_400 * 365 * SECOND).await;
    assert!(!ready.is_woken());
    assert_pending!(ready.poll());
    drop(ready);
    let mut clone = service.clone();
    assert_ready!(task::spawn(clone.ready()).poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn readiness_of_the_inner_service_comes_after_it() {
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    inner.set_readiness(Readiness::Pending);
    let mut service = layer(&late(SECOND)).layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call(()));
    assert_pending!(call.poll());
    inner.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_ready!(call.poll()).unwrap();
    assert_eq!(inner.reserved(), 0);
}

/// tower takes a refusal for the end of the service, and its buffer gives it to all who call.
#[tokio::test(start_paused = true)]
async fn a_buffer_outside_dies_of_a_refusal_and_waits_for_what_is_late() {
    let service = |faults: &Faults| {
        ServiceBuilder::new()
            .buffer(4)
            .concurrency_limit(1)
            .layer(layer(faults))
            .service(service_fn(async |n: u32| Ok::<_, Infallible>(n)))
    };
    let mut buffer = service(&unready(1.0));
    let refused = buffer.ready().await.unwrap().call(7).await.unwrap_err();
    assert!(injected(&refused), "{refused:?}");

    let buffer = BoxCloneSyncService::new(service(&late(SECOND)));
    let start = Instant::now();
    let calls: Vec<_> = (0..3).map(|n| tokio::spawn(buffer.clone().oneshot(n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap() as usize, n);
    }
    assert_eq!(start.elapsed(), 3 * SECOND, "one after the other");
}

/// Not even the first of each, which one seed begins.
#[tokio::test(start_paused = true)]
async fn readiness_and_calls_are_drawn_independently() {
    let faults = Faults::none().unready(0.5).unwrap().latency(0.5, SECOND).unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut both = 0;
    for seed in 0..1000 {
        let layer = ChaosLayer::builder().faults(faults).rng(seed).build().unwrap();
        let mut service = layer.layer(probe.clone());
        let refused = service.ready().await.is_err();
        let start = Instant::now();
        service.call(()).await.unwrap();
        both += u32::from(refused && !start.elapsed().is_zero());
    }
    // A quarter, give or take five standard deviations.
    assert!((181..=319).contains(&both), "{both}");
}

proptest! {
    /// How often somebody asks whether a service is ready, and what becomes of it, does not change which
    /// calls are struck.
    #[test]
    fn the_trace_of_calls_does_not_depend_on_readiness(
        seed: u64,
        asked in prop::collection::vec(0..5_usize, 1..40),
    ) {
        let trace = |faults: &Faults, asks: bool| {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                let layer = ChaosLayer::builder().faults(*faults).rng(seed).build().unwrap();
                let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
                let mut service = layer.layer(probe);
                let mut trace = Vec::new();
                for times in &asked {
                    for _ in 0..*times {
                        let _ = if asks { service.ready().await.is_ok() } else { true };
                    }
                    trace.push(service.call(()).await.is_err());
                }
                trace
            })
        };
        let errors = Faults::none().errors(0.5).unwrap();
        let both = errors.unready(0.3).unwrap().ready_late(0.3, SECOND).unwrap();
        prop_assert_eq!(trace(&errors, false), trace(&both, true));
    }
}
