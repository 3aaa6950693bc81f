//! What holds across the attempts of one call: its terms, its time, its copies and its tokens.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_core::{
    BoxError, Classify, Deadline, Discard, Judgement, Obstacle, Rejection, RejectionKind, Repeat,
    Repeatability, Repeated, Trip,
};
use buttress_retry::{
    Backoff, Jitter, JitteredRetryLayer, JitteredRetryLayerBuilder, RetryBudget, Terms,
};
use buttress_testkit::{Probe, Readiness, Recorder, Reply, assert_pending, assert_ready, task};
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// Three attempts, a second between the first two and two between the others.
fn exact() -> JitteredRetryLayerBuilder {
    JitteredRetryLayer::builder()
        .backoff(Backoff::exponential(SECOND, Duration::MAX))
        .jitter(Jitter::None)
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_terms_of_its_own() {
    let (probe, handle) = Probe::new(|_: u32| Reply::<()>::Now(Err("it failed".into())));
    let layer =
        exact().no_budget().backoff(Backoff::constant(SECOND)).per_request(|attempts: &u32| {
            match attempts {
                7 => Terms::new(),
                attempts => Terms::new().max_attempts(*attempts),
            }
        });
    let service = layer.build().unwrap().layer(probe);
    // What makes no sense is taken for the nearest that does.
    for (asked, made) in [(1, 1), (2, 2), (5, 5), (7, 3), (0, 1), (101, 100), (u32::MAX, 100)] {
        let before = handle.calls();
        service.clone().oneshot(asked).await.unwrap_err();
        assert_eq!(handle.calls() - before, made, "asked for {asked}");
    }
}

/// Refusals of other layers are not repeated, unless asked; and only those that may pass.
#[tokio::test(start_paused = true)]
async fn repeats_refusals_where_asked() {
    let refused = |kind: RejectionKind| Rejection::new("inner", Arc::from("inner"), kind);
    let open = || {
        refused(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) })
            .with_retry_after(7 * SECOND)
    };
    let full = || refused(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 });
    let late = || refused(RejectionKind::DeadlineExceeded { called: false });
    let wrapped = || std::io::Error::other(open());
    let cases: [(&dyn Fn() -> BoxError, usize, u64); 4] = [
        (&|| open().into(), 3, 14),
        (&|| full().into(), 3, 3),
        (&|| late().into(), 1, 0),
        (&|| wrapped().into(), 1, 0),
    ];
    for (n, (error, calls, waited)) in cases.into_iter().enumerate() {
        for asked in [false, true] {
            let errors = Mutex::new([error(), error(), error()].into_iter());
            let (probe, handle) = Probe::new(move |(): ()| {
                Reply::<()>::Now(Err(errors.lock().unwrap().next().unwrap()))
            });
            let start = Instant::now();
            let layer = exact().repeat_refusals(asked).build().unwrap();
            layer.layer(probe).oneshot(()).await.unwrap_err();
            let expected = if asked { (calls, waited) } else { (1, 0) };
            assert_eq!((handle.calls(), start.elapsed().as_secs()), expected, "{n} {asked}");
        }
    }
}

/// Polls as one outside does who ends the call at this deadline.
fn enforced<F: Future>(deadline: Option<Deadline>, call: &mut task::Spawn<F>) -> Poll<F::Output> {
    Deadline::enforce(deadline, || call.poll())
}

/// The deadline bounds the readiness of later attempts, and the caller gets what the dependency
/// itself said: nobody outside knows of it.
#[tokio::test(start_paused = true)]
async fn a_later_attempt_that_is_not_ready_by_the_deadline_leaves_the_last_error() {
    for (broken_before, outside) in [(false, false), (false, true), (true, false)] {
        let (probe, handle) = Probe::new(|_: &str| Reply::<()>::Now(Err("it failed 1".into())));
        let recorder = Recorder::new();
        let layer = exact().observer(recorder.clone()).build().unwrap();
        let budget = layer.budget().unwrap().clone();
        let retry = layer.layer(probe);
        let start = Instant::now();
        let deadline = Some(Deadline::after(5 * SECOND));
        let mut service = retry;
        let mut call = task::spawn(Deadline::scope(deadline, || service.call("it")));
        let under = deadline.filter(|_| outside);
        assert_pending!(enforced(under, &mut call));
        handle.set_readiness(Readiness::Pending);
        advance(SECOND).await;
        assert_pending!(enforced(under, &mut call), "it waits to be ready");
        advance(Duration::from_millis(3_999)).await;
        assert!(!call.is_woken());
        if broken_before {
            handle.set_readiness(Readiness::Broken);
        } else {
            advance(Duration::from_millis(1)).await;
        }
        assert!(call.is_woken());
        assert_eq!(
            assert_ready!(enforced(under, &mut call)).unwrap_err().to_string(),
            "it failed 1"
        );
        assert!(start.elapsed() <= 5 * SECOND);
        assert_eq!((handle.calls(), handle.reserved()), (1, 0));
        assert_eq!(budget.snapshot().retries, 0, "what was not sent costs nothing");
        let told = recorder.take();
        let gave_up = "retry retry: gave up after 1: no time left before the deadline";
        assert_eq!(told.last().is_some_and(|last| last == gave_up), !broken_before, "{told:?}");
    }
}

/// A call that has ended keeps no copy of its request, however it ended and though its future is
/// still there.
#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_keeps_no_copy() {
    let empty = || RetryBudget::builder().ratio(0.0).min_per_second(0.0).burst(1).build().unwrap();
    let spent = empty();
    spent.withdraw(Instant::now()).unwrap().spend();
    let cases: [(&str, JitteredRetryLayerBuilder, Option<&str>); 4] = [
        ("served", exact(), None),
        ("not affordable", exact().budget(spent), Some("it failed")),
        ("the last", exact().max_attempts(2), Some("it failed")),
        ("not ready", exact(), Some("the probe is broken")),
    ];
    for (name, builder, fails) in cases {
        let (probe, handle) = Probe::new(move |_: Arc<()>| {
            Reply::Now(fails.map_or(Ok(()), |error| Err(error.into())))
        });
        if name == "not ready" {
            handle.set_readiness(Readiness::Broken);
        }
        let request = Arc::new(());
        let mut call = task::spawn(builder.build().unwrap().layer(probe).call(request.clone()));
        if call.poll().is_pending() {
            advance(9 * SECOND).await;
            assert_ready!(call.poll()).unwrap_err();
        }
        assert_eq!(Arc::strong_count(&request), 1, "{name}");
    }
}

/// A protocol whose copies can not be sent for a while, or not at all.
#[derive(Clone)]
struct HeldUp {
    asked: Arc<AtomicUsize>,
    frees: usize,
    obstacle: Obstacle,
    panics: bool,
}

impl HeldUp {
    fn new(frees: usize, obstacle: Obstacle) -> Self {
        Self { asked: Arc::default(), frees, obstacle, panics: false }
    }
}

impl Classify<()> for HeldUp {
    fn classify(&self, result: Result<&(), &BoxError>) -> Judgement {
        result.map_or(Judgement::FAILURE, |()| Judgement::FAILURE)
    }
}

impl Repeat<u32> for HeldUp {
    fn repeat(&self, &request: &u32) -> Option<Repeated<u32>> {
        // The copy of a copy is that for the third attempt.
        assert!(!self.panics || request < 2, "told to panic in repeat");
        Some(Repeated { request: request + 1, when: Repeatability::Always })
    }

    fn obstacle(&self, _copy: &mut u32, _answered: bool) -> Option<Obstacle> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        (asked < self.frees).then_some(self.obstacle)
    }
}

impl Discard<()> for HeldUp {
    type Discarding = std::future::Ready<()>;

    fn discard(&self, _response: ()) -> Option<Self::Discarding> {
        None
    }
}

/// What the attempt that failed still holds is waited for, but not for long.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_being_let_go_of_is_waited_for() {
    let ms = Duration::from_millis;
    let gone = "retry retry: gave up after 1: the body was still being sent";
    let large = "retry retry: gave up after 1: the body is too large to repeat";
    for (answers, held, waited, calls, said) in [
        (false, HeldUp::new(0, Obstacle::StillSending), ms(1_000), 2, None),
        (false, HeldUp::new(1, Obstacle::StillSending), ms(1_000), 2, None),
        (false, HeldUp::new(2, Obstacle::StillSending), ms(1_005), 2, None),
        (false, HeldUp::new(11, Obstacle::StillSending), ms(1_050), 2, None),
        (false, HeldUp::new(99, Obstacle::StillSending), ms(1_050), 1, Some(gone)),
        // An answer is one, and what was said of too much does not change.
        (true, HeldUp::new(1, Obstacle::StillSending), ms(0), 1, Some(gone)),
        (false, HeldUp::new(1, Obstacle::TooLarge), ms(0), 1, Some(large)),
    ] {
        let recorder = Recorder::new();
        let (probe, handle) = Probe::new(move |_: u32| {
            Reply::Now(if answers { Ok(()) } else { Err("it failed".into()) })
        });
        let layer = exact().max_attempts(2).observer(recorder.clone()).protocol(held);
        let budget = RetryBudget::default();
        let layer = layer.budget(budget.clone()).build().unwrap();
        let start = Instant::now();
        let result = layer.layer(probe).oneshot(1).await;
        assert_eq!((result.is_ok(), start.elapsed(), handle.calls()), (answers, waited, calls));
        let told = recorder.take();
        assert_eq!(told.iter().any(|line| Some(line.as_str()) == said), said.is_some(), "{told:?}");
        let paid = usize::try_from(budget.snapshot().retries).unwrap();
        assert_eq!(paid, calls - 1, "what was not sent is not paid");
    }
}

/// Nor past the deadline.
#[tokio::test(start_paused = true)]
async fn a_body_is_waited_for_no_longer_than_the_deadline() {
    let (probe, handle) = Probe::new(|_: u32| Reply::<()>::Now(Err("it failed".into())));
    let held = HeldUp::new(99, Obstacle::StillSending);
    let mut service = exact().protocol(held).build().unwrap().layer(probe);
    let (start, time) = (Instant::now(), Duration::from_millis(1_012));
    Deadline::scope(Some(Deadline::after(time)), || service.call(1)).await.unwrap_err();
    assert_eq!((start.elapsed(), handle.calls()), (time, 1));
}

/// Whoever panics before the attempt is sent, the token for it is not lost.
#[tokio::test(start_paused = true)]
async fn a_panic_before_an_attempt_costs_no_token() {
    let protocol = HeldUp { panics: true, ..HeldUp::new(0, Obstacle::TooLarge) };
    let (probe, handle) = Probe::new(|_: u32| Reply::<()>::Now(Err("it failed".into())));
    let budget = RetryBudget::default();
    let layer = exact().budget(budget.clone()).protocol(protocol).build().unwrap();
    assert!(tokio::spawn(layer.layer(probe).call(1)).await.unwrap_err().is_panic());
    assert_eq!((handle.calls(), budget.snapshot().retries), (1, 0));
}

/// What became ready too late is not sent; what was sent in time is not cut here.
#[tokio::test(start_paused = true)]
async fn the_deadline_ends_what_is_not_sent_and_nothing_else() {
    for (ready_after, sent) in [(2, true), (9, false)] {
        let calls = AtomicUsize::new(0);
        let (probe, handle) =
            Probe::new(move |(): ()| match calls.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::Now(Err("it failed 1".into())),
                _ => Reply::After(20 * SECOND, Ok("it served")),
            });
        let mut service = exact().build().unwrap().layer(probe);
        let deadline = Some(Deadline::after(5 * SECOND));
        let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
        assert_pending!(call.poll());
        handle.set_readiness(Readiness::Pending);
        advance(SECOND).await;
        assert_pending!(call.poll());
        advance(ready_after * SECOND).await;
        handle.set_readiness(Readiness::Ready);
        if sent {
            assert_pending!(call.poll());
            assert_eq!(call.await.unwrap(), "it served", "a limit outside would cut it");
        } else {
            let error = assert_ready!(call.poll()).unwrap_err();
            assert_eq!(error.to_string(), "it failed 1");
        }
        assert_eq!(handle.calls(), if sent { 2 } else { 1 });
    }
}

/// Readiness comes, the request is sent, and its future panics, all in one poll: that is paid.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_as_it_is_sent_is_paid() {
    for in_call in [false, true] {
        let calls = AtomicUsize::new(0);
        let (probe, handle) =
            Probe::new(move |(): ()| match calls.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::<()>::Now(Err("it failed".into())),
                _ if in_call => Reply::PanicInCall,
                _ => Reply::Panic,
            });
        let layer = exact().build().unwrap();
        let mut service = layer.layer(probe);
        let mut call = task::spawn(service.call(()));
        assert_pending!(call.poll());
        handle.set_readiness(Readiness::Pending);
        advance(SECOND).await;
        assert_pending!(call.poll());
        handle.set_readiness(Readiness::Ready);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.poll()));
        assert!(panicked.is_err());
        drop(call);
        assert_eq!((handle.calls(), layer.budget().unwrap().snapshot().retries), (2, 1));
    }
}

/// Of an error and a response after it, the response is the last result; and it is gone.
#[tokio::test(start_paused = true)]
async fn an_older_error_does_not_stand_for_a_response() {
    let calls = AtomicUsize::new(0);
    let (probe, handle) = Probe::new(move |(): ()| {
        Reply::Now(match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err("it failed".into()),
            _ => Ok(()),
        })
    });
    let fails = |_: Result<&(), &BoxError>| Judgement::FAILURE;
    let mut service = exact().classify(fails).build().unwrap().layer(probe);
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_pending!(call.poll());
    assert_eq!(handle.calls(), 2);
    handle.set_readiness(Readiness::Broken);
    advance(2 * SECOND).await;
    assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "the probe is broken");
}

/// A timer is late by up to a millisecond, and the limit outside looks at the clock.
#[tokio::test(start_paused = true)]
async fn the_last_error_is_there_though_the_timer_is_late() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Now(Err("it failed".into())));
    let mut service = exact().build().unwrap().layer(probe);
    let deadline = Some(Deadline::after(Duration::from_micros(5_000_300)));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(enforced(deadline, &mut call));
    handle.set_readiness(Readiness::Pending);
    advance(SECOND).await;
    assert_pending!(enforced(deadline, &mut call));
    advance(Duration::from_micros(4_000_500)).await;
    handle.set_readiness(Readiness::Ready);
    assert_eq!(assert_ready!(enforced(deadline, &mut call)).unwrap_err().to_string(), "it failed");
    assert_eq!(handle.calls(), 1);
}
