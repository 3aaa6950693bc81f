//! The laws of the retry budget, alone and in the layer.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Judgement};
use buttress_retry::{Backoff, Jitter, JitteredRetryLayer, JitteredRetryLayerBuilder, RetryBudget};
use buttress_testkit::{Probe, ProbeHandle, Recorder, Reply, assert_pending, assert_ready, task};
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, sleep_until},
};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A budget that earns by successes alone.
fn earned(ratio: f64, burst: u32) -> RetryBudget {
    RetryBudget::builder().ratio(ratio).min_per_second(0.0).burst(burst).build().unwrap()
}

/// Two attempts, a second apart.
fn twice(budget: &RetryBudget) -> JitteredRetryLayerBuilder {
    JitteredRetryLayer::builder()
        .max_attempts(2)
        .backoff(Backoff::constant(SECOND))
        .jitter(Jitter::None)
        .budget(budget.clone())
}

/// Succeeds or fails as the request says.
fn obeys() -> (Probe<bool, ()>, ProbeHandle) {
    Probe::new(|fails: bool| Reply::Now(if fails { Err("it failed".into()) } else { Ok(()) }))
}

/// 0.6 means 0.6 within one percent, whatever eight threads do at once.
#[test]
fn eight_threads_get_what_was_earned_and_no_more() {
    const THREADS: u32 = 8;
    const SUCCESSES: u32 = 50_000;
    for (ratio, burst) in [(0.6, 4_000), (0.6, 1), (0.2, 7), (1.0, 100)] {
        let budget = earned(ratio, burst);
        let start = Arc::new(Barrier::new(THREADS as usize));
        let threads = (0..THREADS).map(|_| {
            let (budget, start) = (budget.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let now = Instant::now();
                let mut granted = 0_u32;
                for _ in 0..SUCCESSES {
                    budget.deposit();
                    if let Some(token) = budget.withdraw(now) {
                        token.spend();
                        granted += 1;
                    }
                }
                granted
            })
        });
        let threads: Vec<_> = threads.collect();
        let granted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        let earned = f64::from(THREADS * SUCCESSES) * ratio;
        let seen = f64::from(granted);
        assert!(seen <= earned + f64::from(burst), "{seen} of {earned} and {burst}");
        // With room for one token only, what comes while it is there is lost.
        if burst > 1 {
            assert!(seen >= earned * 0.99, "{seen} of {earned} and {burst}");
        }
        let snapshot = budget.snapshot();
        assert_eq!(snapshot.retries, u64::from(granted));
        assert_eq!(snapshot.retries + snapshot.refused, u64::from(THREADS * SUCCESSES));
    }
}

/// The floor, too, is granted once, though each thread reads the clock for itself.
#[test]
fn eight_threads_get_the_floor_once() {
    let budget = RetryBudget::builder().ratio(0.0).min_per_second(1000.0).burst(1).build().unwrap();
    let began = Instant::now();
    let threads = (0..8).map(|_| {
        let budget = budget.clone();
        thread::spawn(move || {
            let mut granted = 0_u32;
            for _ in 0..100_000 {
                if let Some(token) = budget.withdraw(Instant::now()) {
                    token.spend();
                    granted += 1;
                }
            }
            granted
        })
    });
    let threads: Vec<_> = threads.collect();
    let granted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    // The clock counts in whole milliseconds, each a token here.
    let most = began.elapsed().as_secs_f64() * 1000.0 + 2.0;
    assert!(granted >= 1 && f64::from(granted) <= most, "{granted} of {most}");
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    after: u64,
    fails: bool,
}

proptest! {
    /// In every window the layer sends no more attempts after the first than
    /// `ratio * successes + floor * time + burst`, with calls side by side and waits between.
    #[test]
    fn in_every_window_the_layer_repeats_no_more_than_was_earned(
        ratio in prop_oneof![Just(0.0), Just(0.2), Just(0.6), Just(1.0)],
        floor in prop_oneof![Just(0.0), Just(1.0), Just(5.0)],
        burst in 1..6_u32,
        seed: u64,
        arrivals in proptest::collection::vec(
            (0..400_u64, proptest::bool::weighted(0.6))
                .prop_map(|(after, fails)| Arrival { after, fails }),
            1..120,
        ),
    ) {
        let calls = paused().block_on(async {
            let budget = RetryBudget::builder().ratio(ratio).min_per_second(floor).burst(burst);
            let layer = JitteredRetryLayer::builder()
                .backoff(Backoff::exponential(SECOND / 10, SECOND))
                .rng(seed)
                .budget(budget.build().unwrap())
                .build()
                .unwrap();
            // A token is taken when the attempt before it ends, which here is when that begins:
            // (moment, tokens taken, successes of first attempts).
            let log = Arc::new(std::sync::Mutex::new(Vec::new()));
            let mut at = Instant::now();
            let start = at;
            let mut tasks = Vec::new();
            for Arrival { after, fails } in arrivals {
                at += Duration::from_millis(after);
                let attempts = AtomicUsize::new(0);
                let (taken, events) = (Arc::clone(&log), Arc::clone(&log));
                let (probe, _handle) = Probe::new(move |(): ()| {
                    let first = attempts.fetch_add(1, Ordering::SeqCst) == 0;
                    let now = start.elapsed();
                    if first && !fails {
                        events.lock().unwrap().push((now, 0.0, 1.0));
                    } else if !first {
                        taken.lock().unwrap().push((now, 1.0, 0.0));
                    }
                    Reply::Now(if fails { Err("it failed".into()) } else { Ok(()) })
                });
                let service = layer.layer(probe);
                tasks.push(tokio::spawn(async move {
                    sleep_until(at).await;
                    let _ = service.oneshot(()).await;
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            log.lock().unwrap().clone()
        });
        // From the start of time, for a token may be sent long after it was taken.
        let (mut sent, mut earned) = (0.0, 0.0);
        for (at, retry, success) in calls {
            sent += retry;
            earned += success;
            let allowed = ratio * earned + floor * at.as_secs_f64() + f64::from(burst);
            prop_assert!(sent <= allowed + 1e-6, "{sent} of {allowed} at {at:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_the_caller_gets_the_last_result_and_the_observer_the_reason() {
    let (budget, recorder) = (earned(0.5, 1), Recorder::new());
    let (probe, handle) = obeys();
    let mut service = twice(&budget).observer(recorder.clone()).build().unwrap().layer(probe);
    service.call(true).await.unwrap_err();
    assert_eq!(handle.calls(), 2, "the one token was there from the start");
    recorder.take();

    let start = Instant::now();
    let error = service.call(true).await.unwrap_err();
    assert_eq!(error.to_string(), "it failed");
    assert_eq!((handle.calls(), start.elapsed()), (3, Duration::ZERO), "at once");
    assert_eq!(recorder.take(), ["retry retry: gave up after 1: the retry budget is used up"]);

    service.call(false).await.unwrap();
    service.call(true).await.unwrap_err();
    assert_eq!(handle.calls(), 5, "one success earned half of one");
    service.call(false).await.unwrap();
    service.call(true).await.unwrap_err();
    assert_eq!(handle.calls(), 8, "two earned one");
    let snapshot = budget.snapshot();
    assert_eq!((snapshot.retries, snapshot.refused), (2, 2));
}

/// Else repeating would pay for repeating.
#[tokio::test(start_paused = true)]
async fn only_a_first_attempt_that_succeeds_earns() {
    let budget = earned(1.0, 1);
    let calls = AtomicUsize::new(0);
    let (probe, handle) = Probe::new(move |(): ()| {
        let first = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        Reply::Now(if first { Err("not yet".into()) } else { Ok(()) })
    });
    let mut service = twice(&budget).build().unwrap().layer(probe);
    service.call(()).await.unwrap();
    assert_eq!(handle.calls(), 2);
    assert!(budget.snapshot().tokens < 1.0, "the second attempt succeeded, and earned nothing");

    let neutral = |_: Result<&(), &BoxError>| Judgement::NEUTRAL;
    let (probe, _handle) = obeys();
    twice(&budget).classify(neutral).build().unwrap().layer(probe).oneshot(false).await.unwrap();
    assert!(budget.snapshot().tokens < 1.0, "nor does what says nothing of the dependency");
}

/// Those who wait have paid: a hundred calls that fail at once do not all find the last token.
#[tokio::test(start_paused = true)]
async fn a_token_is_taken_before_the_wait_and_given_back_by_one_who_leaves() {
    let budget = earned(0.0, 1);
    let (probe, handle) = obeys();
    let service = twice(&budget).build().unwrap().layer(probe);
    let mut waits = task::spawn(service.clone().call(true));
    assert_pending!(waits.poll());
    assert_eq!(budget.snapshot().retries, 1);
    assert_ready!(task::spawn(service.clone().call(true)).poll()).unwrap_err();

    drop(waits);
    assert_eq!(budget.snapshot().retries, 0);
    let mut next = task::spawn(service.clone().call(true));
    assert_pending!(next.poll(), "the token came back");
    advance(SECOND).await;
    assert_ready!(next.poll()).unwrap_err();
    drop(next);
    assert_ready!(task::spawn(service.clone().call(true)).poll()).unwrap_err();
    assert_eq!((handle.calls(), budget.snapshot().retries), (5, 1), "what was sent is spent");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_overran_the_deadline_costs_nothing() {
    let budget = earned(0.0, 1);
    let (probe, _handle) = obeys();
    let mut service = twice(&budget).build().unwrap().layer(probe);
    let deadline = Some(Deadline::after(2 * SECOND));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(true)));
    assert_pending!(call.poll());
    advance(5 * SECOND).await;
    assert_ready!(call.poll()).unwrap_err();
    assert_eq!((budget.snapshot().retries, budget.snapshot().tokens), (0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn layers_may_share_one() {
    let budget = earned(0.0, 2);
    let [(one, first), (other, second)] = [obeys(), obeys()];
    let [one, other] = [one, other].map(|probe| twice(&budget).build().unwrap().layer(probe));
    for _ in 0..3 {
        one.clone().oneshot(true).await.unwrap_err();
        other.clone().oneshot(true).await.unwrap_err();
    }
    assert_eq!(first.calls() + second.calls(), 6 + 2);
}

/// All services that one layer makes share its budget; two layers do not.
#[tokio::test(start_paused = true)]
async fn by_default_a_layer_has_one_of_its_own() {
    let build = || JitteredRetryLayer::builder().jitter(Jitter::None).build().unwrap();
    let [layer, other] = [build(), build()];
    let (probe, handle) = obeys();
    // A floor of one a second would help out in time, so all at once.
    let calls: Vec<_> =
        (0..200).map(|_| tokio::spawn(layer.layer(probe.clone()).oneshot(true))).collect();
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    let snapshot = layer.budget().unwrap().snapshot();
    assert_eq!(snapshot.retries, 10, "the burst, and nothing more");
    assert_eq!(handle.calls(), 210);
    assert_eq!(other.budget().unwrap().snapshot().retries, 0);

    let unbounded = JitteredRetryLayer::builder().no_budget().build().unwrap();
    assert!(unbounded.budget().is_none());
    for _ in 0..100 {
        unbounded.layer(probe.clone()).oneshot(true).await.unwrap_err();
    }
    assert_eq!(handle.calls(), 210 + 300);
}

/// The floor alone: a client that calls seldom may repeat too.
#[tokio::test(start_paused = true)]
async fn the_floor_fills_with_time() {
    let budget = RetryBudget::builder().burst(3).build().unwrap();
    let now = Instant::now();
    let take = |at| budget.withdraw(at).map(buttress_retry::Withdrawal::spend).is_some();
    assert!((0..3).all(|_| take(now)) && !take(now));
    assert!(!take(now + SECOND - Duration::from_millis(1)));
    assert!(take(now + SECOND) && !take(now + SECOND));
    assert!((0..3).all(|_| take(now + 60 * SECOND)), "and not above the burst");
    assert!(!take(now + 60 * SECOND));
}

#[test]
fn settings_that_make_no_sense_are_config_errors() {
    let build = |ratio, floor, burst| {
        let built = RetryBudget::builder().ratio(ratio).min_per_second(floor).burst(burst).build();
        built.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build(1.1, 1.0, 1).unwrap_err(), "`ratio` is 1.1, but must be from 0.0 to 1.0");
    for ratio in [-0.1, f64::NAN, f64::INFINITY, 9.0] {
        assert!(build(ratio, 1.0, 1).unwrap_err().starts_with("`ratio` is "));
    }
    for floor in [-1.0, 1000.1, f64::NAN, f64::INFINITY] {
        assert!(build(0.2, floor, 1).unwrap_err().starts_with("`min_per_second` is "));
    }
    for burst in [0, 4_001, u32::MAX] {
        assert!(build(0.2, 1.0, burst).unwrap_err().starts_with("`burst` is "));
    }
    for (ratio, floor, burst) in [(0.0, 0.0, 1), (1.0, 1000.0, 4_000)] {
        build(ratio, floor, burst).unwrap();
    }
}
