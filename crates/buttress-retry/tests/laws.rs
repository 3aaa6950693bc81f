//! The laws of the retry layer, as properties over a paused clock.

use std::{
    fmt,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_core::{
    BoxError, Classify, Deadline, Discard, Event, EventKind, Judgement, Plain, Rejection,
    RejectionKind, Repeat, Repeatability, Repeated, Retry, Trip,
};
use buttress_retry::{Backoff, Jitter, JitteredRetryLayer};
use buttress_testkit::{Probe, Reply, assert_pending, assert_ready, task};
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// An answer of a scripted service, as a response or as an error.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    attempt: usize,
    says: Judgement,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer {}", self.attempt)
    }
}

impl std::error::Error for Answer {}

/// Takes each answer at its word, repeats requests as told, and counts the copies.
#[derive(Debug, Clone)]
struct Scripted {
    when: Option<Repeatability>,
    copies: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(when: Option<Repeatability>) -> Self {
        Self { when, copies: Arc::default() }
    }
}

impl Classify<Answer> for Scripted {
    fn classify(&self, result: Result<&Answer, &BoxError>) -> Judgement {
        match result {
            Ok(answer) => answer.says,
            Err(error) => error.downcast_ref::<Answer>().expect("untouched").says,
        }
    }
}

impl Repeat<u32> for Scripted {
    fn repeat(&self, &request: &u32) -> Option<Repeated<u32>> {
        self.copies.fetch_add(1, Ordering::SeqCst);
        self.when.map(|when| Repeated { request, when })
    }
}

impl Discard<Answer> for Scripted {
    type Discarding = Ready<()>;

    fn discard(&self, _response: Answer) -> Option<Ready<()>> {
        None
    }
}

/// Keeps the delays that an observer is told of.
#[derive(Debug, Clone, Default)]
struct Delays(Arc<Mutex<Vec<Duration>>>);

impl Delays {
    fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let delays = Arc::clone(&self.0);
        move |event| {
            if let EventKind::Retrying { delay, .. } = event.kind {
                delays.lock().unwrap().push(delay);
            }
        }
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn fails() -> Probe<(), ()> {
    Probe::new(|(): ()| Reply::Now(Err("it failed".into()))).0
}

proptest! {
    /// At most so many attempts; a request only sent again as its copy and its judgement allow;
    /// a copy taken only where another attempt may follow; the last result unchanged.
    #[test]
    fn attempts_follow_the_judgements_and_the_copies(
        max_attempts in 1..=5_u32,
        script in proptest::collection::vec((0..3_u8, any::<bool>()), 5),
        when in prop_oneof![
            Just(None),
            Just(Some(Repeatability::Always)),
            Just(Some(Repeatability::OnlyUnsent)),
        ],
    ) {
        let script: Vec<_> = script
            .into_iter()
            .map(|(retry, served)| {
                ([Retry::Never, Retry::IfRepeatable, Retry::Safe][usize::from(retry)], served)
            })
            .collect();
        let most = usize::try_from(max_attempts).unwrap();
        let again = |retry| match retry {
            Retry::Never => false,
            Retry::IfRepeatable => when == Some(Repeatability::Always),
            Retry::Safe => when.is_some(),
        };
        let expected = (1..most).find(|n| !again(script[n - 1].0)).unwrap_or(most);

        paused().block_on(async {
            let answers = script.clone();
            let calls = AtomicUsize::new(0);
            let (probe, handle) = Probe::new(move |request: u32| {
                assert_eq!(request, 7);
                let index = calls.fetch_add(1, Ordering::SeqCst);
                let (retry, served) = answers[index];
                let says = Judgement::FAILURE.retry(retry);
                let answer = Answer { attempt: index + 1, says };
                Reply::Now(if served { Ok(answer) } else { Err(answer.into()) })
            });
            let protocol = Scripted::new(when);
            let copies = Arc::clone(&protocol.copies);
            let layer = JitteredRetryLayer::builder()
                .max_attempts(max_attempts)
                .protocol(protocol)
                .build()
                .unwrap();
            let result = layer.layer(probe).oneshot(7).await;
            prop_assert_eq!(handle.calls(), expected);
            prop_assert_eq!(copies.load(Ordering::SeqCst), expected.min(most - 1));
            prop_assert_eq!(result.is_ok(), script[expected - 1].1);
            let last = result.unwrap_or_else(|error| *error.downcast::<Answer>().unwrap());
            prop_assert_eq!(last.attempt, expected);
            Ok(())
        })?;
    }

    /// `now + delay < deadline`, or the last result at once.
    #[test]
    fn no_attempt_begins_at_or_after_the_deadline(
        allowed in 1..=200_u64,
        takes in 0..=20_u64,
        base in 1..=50_u64,
    ) {
        let [allowed, takes, base] = [allowed, takes, base].map(Duration::from_millis);
        let backoff = Backoff::exponential(base, Duration::MAX);
        let mut expected = (1, takes);
        for n in 0..9 {
            let next = expected.1 + backoff.bound(n);
            if next >= allowed {
                break;
            }
            expected = (expected.0 + 1, next + takes);
        }
        paused().block_on(async {
            let start = Instant::now();
            let (probe, handle) = Probe::new(move |(): ()| {
                assert!(start.elapsed() < allowed, "began at {:?}", start.elapsed());
                Reply::<()>::After(takes, Err("it failed".into()))
            });
            let layer = JitteredRetryLayer::builder()
                .max_attempts(10)
                .backoff(backoff)
                .jitter(Jitter::None)
                .build()
                .unwrap();
            let deadline = Deadline::after_instant(start, allowed);
            let mut service = layer.layer(probe);
            Deadline::scope(Some(deadline), || service.call(())).await.unwrap_err();
            prop_assert_eq!((handle.calls(), start.elapsed()), expected);
            Ok(())
        })?;
    }

    /// Whatever the jitter, no wait is above the cap, and what is announced is what is waited.
    #[test]
    fn no_delay_above_the_cap_after_jitter(
        base in 1..=2_000_u64,
        cap in 1..=5_000_u64,
        factor in prop_oneof![Just(1.0), 1.0..4.0, Just(1e300)],
        seed: u64,
        jitter in prop_oneof![
            Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::Decorrelated), Just(Jitter::None),
        ],
    ) {
        let cap = Duration::from_millis(cap.max(base));
        let base = Duration::from_millis(base);
        paused().block_on(async {
            let delays = Delays::default();
            let layer = JitteredRetryLayer::builder()
                .max_attempts(8)
                .backoff(Backoff::exponential(base, cap).factor(factor))
                .jitter(jitter)
                .rng(seed)
                .observer(delays.observer())
                .build()
                .unwrap();
            let start = Instant::now();
            layer.layer(fails()).oneshot(()).await.unwrap_err();
            let drawn = delays.take();
            prop_assert_eq!(drawn.len(), 7);
            prop_assert!(drawn.iter().all(|delay| *delay <= cap), "{drawn:?}");
            // Each timer rounds up to a millisecond.
            let waited = start.elapsed();
            let announced: Duration = drawn.iter().sum();
            prop_assert!(announced <= waited && waited <= announced + 8 * SECOND / 1_000);
            Ok(())
        })?;
    }
}

/// Jitter that is equal in all sessions brings the clients back together.
#[tokio::test(start_paused = true)]
async fn independent_calls_draw_independent_jitter() {
    let delays = Delays::default();
    let layer = || {
        let observer = delays.observer();
        JitteredRetryLayer::builder().max_attempts(9).observer(observer).build().unwrap()
    };
    let [one, other] = [layer(), layer()];
    let mut drawn = Vec::new();
    for layer in [&one, &one, &other] {
        layer.layer(fails()).oneshot(()).await.unwrap_err();
        drawn.push(delays.take());
    }
    assert_eq!(drawn[0].len(), 8);
    assert!(drawn[0] != drawn[1] && drawn[0] != drawn[2], "{drawn:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_a_run_and_its_calls_still_differ() {
    let run = async |seed| {
        let delays = Delays::default();
        let layer = JitteredRetryLayer::builder().rng(seed).observer(delays.observer());
        let layer = layer.max_attempts(9).build().unwrap();
        // Two services of one layer share one generator.
        layer.layer(fails()).oneshot(()).await.unwrap_err();
        layer.layer(fails()).oneshot(()).await.unwrap_err();
        delays.take()
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    assert_ne!(first[..8], first[8..]);
}

/// What is drawn before it, not what is waited, widens the next decorrelated wait.
#[tokio::test(start_paused = true)]
async fn decorrelated_waits_widen_by_what_was_drawn() {
    let cap = Duration::from_secs(3_600);
    for seed in 0..50 {
        let delays = Delays::default();
        let hinted = Arc::new(AtomicBool::new(false));
        let layer = JitteredRetryLayer::builder()
            .max_attempts(9)
            .backoff(Backoff::exponential(SECOND, cap))
            .jitter(Jitter::Decorrelated)
            .rng(seed)
            .observer(delays.observer())
            .classify(move |_: Result<&(), &BoxError>| {
                // The first failure alone brings a hint.
                let hint = (!hinted.swap(true, Ordering::SeqCst)).then_some(30 * SECOND);
                Judgement::FAILURE.after(hint)
            })
            .build()
            .unwrap();
        layer.layer(fails()).oneshot(()).await.unwrap_err();
        let drawn = delays.take();
        assert_eq!(drawn[0], 30 * SECOND);
        assert!(drawn[1] <= 9 * SECOND, "{drawn:?}");
        for pair in drawn[1..].windows(2) {
            assert!(pair[1] >= SECOND && pair[1] <= (3 * pair[0]).min(cap), "{drawn:?}");
        }
    }
}

/// A response that knows when it is dropped.
#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn refused(result: Result<&Held, &BoxError>) -> Judgement {
    assert!(result.is_ok());
    Judgement::FAILURE
}

/// The failed response held through the backoff keeps its connection busy.
#[tokio::test(start_paused = true)]
async fn the_failed_response_is_dropped_before_the_wait() {
    let flags = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
    let (replies, calls) = (flags.clone(), AtomicUsize::new(0));
    let (probe, _handle) = Probe::new(move |(): ()| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        Reply::Now(Ok(Held(Arc::clone(&replies[call]))))
    });
    let layer = JitteredRetryLayer::builder()
        .max_attempts(2)
        .jitter(Jitter::None)
        .classify(refused)
        .build()
        .unwrap();
    let mut call = task::spawn(layer.layer(probe).call(()));
    assert_pending!(call.poll());
    assert!(flags[0].load(Ordering::SeqCst), "while the timer runs");
    tokio::time::advance(SECOND).await;
    let last = assert_ready!(call.poll()).unwrap();
    assert!(!flags[1].load(Ordering::SeqCst), "the last one is the caller's");
    drop(last);
}

/// Refusals by layers of this suite are not retried unless asked.
#[tokio::test(start_paused = true)]
async fn refusals_are_not_repeated() {
    let refusing = || {
        Probe::new(|(): ()| {
            let kind = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
            let rejection = Rejection::new("breaker", Arc::from("breaker"), kind);
            Reply::<()>::Now(Err(rejection.with_retry_after(SECOND).into()))
        })
    };
    let (probe, handle) = refusing();
    let error = JitteredRetryLayer::new(3).unwrap().layer(probe).oneshot(()).await.unwrap_err();
    assert_eq!(handle.calls(), 1);
    assert!(Rejection::find(error.as_ref()).is_some());

    let (probe, handle) = refusing();
    let asked = |result: Result<&(), &BoxError>| match result {
        Err(error) if Rejection::find(error.as_ref()).is_some_and(Rejection::is_refusal) => {
            Judgement::NEUTRAL.retry(Retry::Safe)
        }
        result => Plain.classify(result),
    };
    let layer = JitteredRetryLayer::builder().classify(asked).build().unwrap();
    layer.layer(probe).oneshot(()).await.unwrap_err();
    assert_eq!(handle.calls(), 3);
}

/// There is no runtime here: to create a timer would panic.
#[test]
fn without_a_delay_there_is_no_timer() {
    let nanosecond = Duration::from_nanos(1);
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Now(Err("it failed".into())));
    let mut zeroes = 0;
    for seed in 0..64 {
        let delays = Delays::default();
        let layer = JitteredRetryLayer::builder()
            .max_attempts(2)
            .backoff(Backoff::exponential(nanosecond, nanosecond))
            .rng(seed)
            .observer(delays.observer())
            .build()
            .unwrap();
        let call = layer.layer(probe.clone()).call(());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            task::spawn(call).poll().is_ready()
        }));
        let zero = delays.take()[0].is_zero();
        assert_eq!(result.is_ok_and(|ready| ready), zero);
        zeroes += usize::from(zero);
    }
    assert!((16..=48).contains(&zeroes), "both ways were seen: {zeroes}");
    assert_eq!(handle.calls(), 64 + zeroes);
}

#[test]
fn settings_that_make_no_sense_are_config_errors() {
    let attempts = |attempts| JitteredRetryLayer::new(attempts).map(drop);
    assert_eq!(
        attempts(0).unwrap_err().to_string(),
        "`max_attempts` is 0, but must be from 1 to 100"
    );
    assert_eq!(attempts(101).unwrap_err().setting(), "max_attempts");
    assert_eq!(attempts(u32::MAX).unwrap_err().setting(), "max_attempts");
    assert!(attempts(1).is_ok() && attempts(100).is_ok());

    let backoff = |base, cap, factor| {
        let backoff = Backoff::exponential(base, cap).factor(factor);
        let built = JitteredRetryLayer::builder().backoff(backoff).build();
        built.map(drop).map_err(|error| error.to_string())
    };
    let error = backoff(Duration::ZERO, SECOND, 2.0).unwrap_err();
    assert!(error.starts_with("`base` is 0s, but must be longer than zero"), "{error}");
    assert_eq!(
        backoff(SECOND, SECOND / 2, 2.0).unwrap_err(),
        "`cap` is 500ms, but must be at least the base, 1s"
    );
    for factor in [0.0, 0.999, -2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = backoff(SECOND, SECOND, factor).unwrap_err();
        assert!(error.starts_with("`factor` is "), "{error}");
    }
    for (base, cap, factor) in
        [(SECOND, SECOND, 1.0), (SECOND, Duration::MAX, 1e300), (Duration::MAX, Duration::MAX, 2.0)]
    {
        backoff(base, cap, factor).unwrap();
    }
}

/// The deadline is that of the call, and not of whoever happens to poll it later.
#[tokio::test(start_paused = true)]
async fn every_attempt_begins_under_the_deadline_of_the_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&seen);
    let inner = service_fn(move |_: ()| {
        witness.lock().unwrap().push(Deadline::current());
        ready(Err::<(), BoxError>("down".into()))
    });
    let mut service = JitteredRetryLayer::new(3).unwrap().layer(inner);
    let deadline = Some(Deadline::after(Duration::from_secs(60)));
    Deadline::scope(deadline, || service.call(())).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [deadline; 3]);
}

/// A wait may take longer than it was to take: the task was not polled in time, for one.
#[tokio::test(start_paused = true)]
async fn a_wait_that_overran_the_deadline_begins_nothing() {
    let (probe, handle) = Probe::new(|_: ()| Reply::<()>::Now(Err("down".into())));
    let mut service = JitteredRetryLayer::new(3).unwrap().layer(probe);
    let deadline = Some(Deadline::after(Duration::from_secs(1)));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(call.poll());
    advance(Duration::from_secs(5)).await;
    assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "down");
    assert_eq!(handle.calls(), 1);

    // A response that failed is gone by then.
    let (probe, handle) = Probe::new(|_: ()| Reply::Now(Ok("down")));
    let fails = |_: Result<&&str, &BoxError>| Judgement::FAILURE;
    let mut service = JitteredRetryLayer::builder().classify(fails).build().unwrap().layer(probe);
    let deadline = Some(Deadline::after(Duration::from_secs(1)));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(call.poll());
    advance(Duration::from_secs(5)).await;
    let error = assert_ready!(call.poll()).unwrap_err();
    let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
    assert_eq!(kind, &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!(handle.calls(), 1);
}
