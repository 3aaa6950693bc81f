//! The laws of the chaos layer, as properties over a paused clock and as scripts.

use std::time::Duration;

use buttress_chaos::{ChaosLayer, Faults, Latency};
use buttress_core::{BoxError, Judgement, Rejection, RejectionKind};
use buttress_testkit::{Probe, Recorder, Reply, assert_pending, assert_ready, task};
use proptest::{collection::vec, prelude::*};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, timeout},
};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn injected(error: &BoxError) -> bool {
    Rejection::find(error.as_ref()).is_some_and(|found| found.kind() == &RejectionKind::Injected)
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0_f64]
}

proptest! {
    /// The same seed, faults and calls give the same trace, and what is told is what happens.
    #[test]
    fn same_seed_same_trace(seed: u64, latency in rate(), errors in rate(), calls in 1..30_usize) {
        let run = || {
            paused().block_on(async {
                let recorder = Recorder::new();
                let faults =
                    Faults::none().latency(latency, SECOND).unwrap().errors(errors).unwrap();
                let layer = ChaosLayer::builder()
                    .faults(faults)
                    .rng(seed)
                    .observer(recorder.clone())
                    .build().unwrap();
                let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
                let mut service = layer.layer(probe);
                let mut trace = Vec::new();
                for _ in 0..calls {
                    let start = Instant::now();
                    let result = service.call(()).await;
                    let told = recorder.take().concat();
                    assert_eq!(told.contains("latency"), start.elapsed() == SECOND);
                    assert!(told.contains("latency") || start.elapsed().is_zero());
                    assert_eq!(told.contains("error"), result.is_err_and(|error| injected(&error)));
                    trace.push(told);
                }
                let failed = trace.iter().filter(|told| told.contains("error")).count();
                assert_eq!(inner.calls(), calls - failed);
                trace
            })
        };
        prop_assert_eq!(run(), run());
    }

    /// At rate zero the layer is the identity: same answers, at the same time, and nothing said.
    #[test]
    fn at_rate_zero_it_is_the_identity(
        seed: u64,
        requests in vec((any::<u8>(), 0..5_u64, any::<bool>()), 1..10),
    ) {
        paused().block_on(async {
            let recorder = Recorder::new();
            let faults = Faults::none().latency(0.0, SECOND).unwrap().errors(0.0).unwrap();
            let layer = ChaosLayer::builder()
                .faults(faults)
                .rng(seed)
                .observer(recorder.clone())
                .build().unwrap();
            let (probe, inner) = Probe::new(|(answer, takes, fails): (u8, u64, bool)| {
                let result = if fails { Err(answer.to_string().into()) } else { Ok(answer) };
                Reply::After(Duration::from_millis(takes), result)
            });
            let (mut bare, mut service) = (probe.clone(), layer.layer(probe));
            for request in requests.iter().copied() {
                let start = Instant::now();
                let expected = bare.ready().await.unwrap().call(request).await;
                let took = start.elapsed();
                let start = Instant::now();
                let result = service.ready().await.unwrap().call(request).await;
                prop_assert_eq!(start.elapsed(), took);
                let text = |error: BoxError| error.to_string();
                prop_assert_eq!(result.map_err(text), expected.map_err(text));
            }
            prop_assert_eq!(inner.calls(), 2 * requests.len());
            prop_assert!(recorder.take().is_empty());
            Ok(())
        })?;
    }
}

/// 20 % of the calls late and 5 % failed, independently, make 1 - 0.8 * 0.95 = 24 % that are struck.
#[tokio::test(start_paused = true)]
async fn independent_faults_of_20_and_5_percent_strike_24_percent() {
    const CALLS: u32 = 40_000;
    let faults = Faults::none().latency(0.2, SECOND).unwrap().errors(0.05).unwrap();
    let layer = ChaosLayer::builder().faults(faults).rng(7).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let (mut late, mut failed, mut struck) = (0, 0, 0);
    for _ in 0..CALLS {
        let start = Instant::now();
        let (fails, is_late) = (service.call(()).await.is_err(), start.elapsed() == SECOND);
        late += u32::from(is_late);
        failed += u32::from(fails);
        struck += u32::from(is_late || fails);
    }
    for (strikes, rate) in [(late, 0.2), (failed, 0.05), (struck, 0.24)] {
        // Five standard deviations of a binomial distribution: a seed in 1.7 million misses them.
        let calls = f64::from(CALLS);
        let bound = 5.0 * (rate * (1.0 - rate) / calls).sqrt();
        let share = f64::from(strikes) / calls;
        assert!((share - rate).abs() < bound, "{share} is not {rate} ± {bound}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_injected_error_never_reaches_the_inner_service_and_counts_as_a_failure() {
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = ChaosLayer::new(Faults::none().errors(1.0).unwrap()).unwrap();
    let error = layer.layer(probe).oneshot(()).await.unwrap_err();
    assert!(injected(&error));
    assert_eq!((inner.calls(), inner.reserved()), (0, 0));
    assert_eq!(Judgement::of_error(error.as_ref()), Judgement::FAILURE);
}

#[tokio::test(start_paused = true)]
async fn the_longest_delay_is_a_hang_and_the_next_longest_does_not_overflow() {
    for delay in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
        let layer = ChaosLayer::new(Faults::none().latency(1.0, delay).unwrap()).unwrap();
        let call = layer.layer(probe).oneshot(());
        timeout(Duration::from_secs(86_400), call).await.expect_err("it hangs");
        assert_eq!(inner.calls(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn delays_are_drawn_from_their_distribution() {
    let latency = Latency::uniform(SECOND, 2 * SECOND).unwrap();
    let layer = ChaosLayer::new(Faults::none().latency(1.0, latency).unwrap()).unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let mut delays = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        service.call(()).await.unwrap();
        // Timers are coarse.
        assert!((SECOND..=2 * SECOND + Duration::from_millis(1)).contains(&start.elapsed()));
        delays.push(start.elapsed());
    }
    delays.dedup();
    assert!(delays.len() > 10, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_counts_from_the_call() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = ChaosLayer::new(Faults::none().latency(1.0, SECOND).unwrap()).unwrap();
    let mut service = layer.layer(probe);
    let mut call = task::spawn(service.call(()));
    advance(SECOND).await;
    assert_ready!(call.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn faults_are_switched_for_all_services_of_a_layer_while_they_run() {
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = ChaosLayer::new(Faults::none()).unwrap();
    let (handle, other) = (layer.handle(), layer.handle());
    let mut services = [layer.layer(probe.clone()), layer.clone().layer(probe)];
    for service in &mut services {
        service.call(()).await.unwrap();
    }

    let faults = Faults::none().errors(1.0).unwrap();
    handle.set(faults).unwrap();
    assert_eq!(other.faults(), faults);
    for service in &mut services {
        assert!(injected(&service.call(()).await.unwrap_err()));
    }

    // A call that was struck stays struck; one that is made later is not.
    handle.set(Faults::none().latency(1.0, SECOND).unwrap()).unwrap();
    let mut struck = task::spawn(services[0].call(()));
    other.clear();
    assert_eq!(handle.faults(), Faults::none());
    assert_pending!(struck.poll());
    for service in &mut services {
        assert_ready!(task::spawn(service.call(())).poll()).unwrap();
    }
    struck.await.unwrap();
    assert_eq!(inner.calls(), 5);
}
