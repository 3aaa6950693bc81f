//! What an operator holds, sees, and is told.

use std::time::Duration;

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder, Window};
use buttress_core::{
    BoxError,
    CircuitState::{Closed, HalfOpen, Open},
    Rejection, RejectionKind, Trip,
};
use buttress_testkit::{Probe, ProbeHandle, Recorder, Reply, assert_pending, task};
use tokio::time::{Instant, advance};
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const OPEN_FOR: Duration = Duration::from_secs(30);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// What the inner service shall do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    Hang,
}

type Guarded = Breaker<Probe<Act, ()>>;
type Operate = fn(&BreakerHandle);

fn two_failures() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(2).open_for(OPEN_FOR)
}

fn build(builder: BreakerLayerBuilder) -> (Guarded, BreakerHandle, ProbeHandle) {
    let layer = builder.build().unwrap();
    let (probe, inner) = Probe::new(|act| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err("down".into())),
        Act::Hang => Reply::Never,
    });
    (layer.layer(probe), layer.handle(), inner)
}

async fn fail(service: &mut Guarded, times: u32) {
    for _ in 0..times {
        assert_eq!(service.call(Act::Fail).await.unwrap_err().to_string(), "down");
    }
}

/// Why a call was refused, and when to come again.
fn refusal(error: &BoxError) -> (Trip, Option<Duration>) {
    let rejection = Rejection::find(error.as_ref()).expect("a refusal");
    match rejection.kind() {
        RejectionKind::CircuitOpen { why } => (*why, rejection.retry_after()),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn held_open_it_lets_nobody_in_however_long() {
    for opened_before in [false, true] {
        let (mut service, handle, inner) = build(two_failures());
        fail(&mut service, if opened_before { 2 } else { 0 }).await;
        let before = inner.calls();
        handle.force_open();
        for time in [Duration::ZERO, OPEN_FOR, YEAR] {
            advance(time).await;
            let error = service.call(Act::Succeed).await.unwrap_err();
            assert_eq!(refusal(&error), (Trip::Forced, None));
        }
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.state, snapshot.forced, inner.calls()), (Open, true, before));
        assert_eq!((snapshot.opened, snapshot.rejected), (1, 3), "opened once, by whomever");
        handle.force_open();
        assert_eq!(handle.snapshot(), snapshot, "said twice");
    }
}

#[tokio::test(start_paused = true)]
async fn held_closed_it_lets_all_in_whatever_fails() {
    for opened_before in [false, true] {
        let builder = two_failures().failure_rate(0.1).min_calls(1);
        let (mut service, handle, inner) = build(builder);
        fail(&mut service, u32::from(opened_before)).await;
        handle.force_closed();
        fail(&mut service, 100).await;
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.state, snapshot.forced, snapshot.why), (Closed, true, None));
        assert_eq!((snapshot.failures, snapshot.calls), (0, 0), "none counts");
        assert_eq!(inner.calls(), 100 + usize::from(opened_before));
        handle.force_closed();
        assert_eq!(handle.snapshot(), snapshot, "said twice");
        handle.resume();
        assert_eq!((handle.state(), handle.snapshot().forced), (Closed, false));
        fail(&mut service, 1).await;
        assert_eq!(handle.state(), Open, "on its own again");
    }
}

#[tokio::test(start_paused = true)]
async fn resumed_it_finds_out_for_itself() {
    let (mut service, handle, _inner) = build(two_failures());
    let untouched = handle.snapshot();
    handle.resume();
    assert_eq!(handle.snapshot(), untouched, "it was not forced");
    fail(&mut service, 2).await;
    let untouched = handle.snapshot();
    handle.resume();
    assert_eq!(handle.snapshot(), untouched, "it opened by itself");
    handle.force_open();
    handle.resume();
    assert_eq!((handle.state(), handle.snapshot().forced), (HalfOpen, false));
    fail(&mut service, 1).await;
    let error = service.call(Act::Succeed).await.unwrap_err();
    assert_eq!(refusal(&error), (Trip::ProbeFailed, Some(OPEN_FOR)));
    handle.force_open();
    handle.resume();
    service.call(Act::Succeed).await.unwrap();
    assert_eq!(handle.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn reset_it_is_as_in_the_beginning() {
    let states: [(u32, Operate); 6] = [
        (0, |_| {}),
        (1, |_| {}),
        (2, |_| {}),
        (0, BreakerHandle::force_open),
        (0, BreakerHandle::force_closed),
        (2, |handle| {
            handle.force_open();
            handle.resume();
        }),
    ];
    for (failures, operate) in states {
        let (mut service, handle, inner) = build(two_failures());
        let mut of_before = task::spawn(service.call(Act::Hang));
        assert_pending!(of_before.poll());
        fail(&mut service, failures).await;
        operate(&handle);
        let was = handle.snapshot();
        advance(SECOND).await;
        handle.reset();
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.state, snapshot.forced, snapshot.why), (Closed, false, None));
        assert_eq!((snapshot.failures, snapshot.probes), (0, 0));
        assert_eq!((snapshot.opened, snapshot.since), (was.opened, Instant::now()));
        drop(of_before);
        assert_eq!((handle.snapshot().stale, inner.in_flight()), (1, 0), "it counts no more");
        fail(&mut service, 1).await;
        assert_eq!(handle.state(), Closed, "counted from none");
        fail(&mut service, 1).await;
        assert_eq!(handle.state(), Open);
    }
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_has_the_rates_of_the_window() {
    let window = Window::last_calls(10);
    let builder = BreakerLayer::builder().failure_rate(0.5).window(window).min_calls(4);
    let (mut service, handle, _inner) = build(builder.slow_call_rate(1.0, SECOND));
    let empty = handle.snapshot();
    assert_eq!((empty.failure_rate(), empty.slow_call_rate()), (None, None));
    for _ in 0..2 {
        service.call(Act::Succeed).await.unwrap();
    }
    fail(&mut service, 1).await;
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed, snapshot.slow), (3, 1, 0));
    assert_eq!((snapshot.failure_rate(), snapshot.slow_call_rate()), (Some(1.0 / 3.0), Some(0.0)));
    fail(&mut service, 1).await;
    advance(OPEN_FOR).await;
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.failure_rate()), (HalfOpen, Some(0.5)), "when it opened");
    assert_eq!(snapshot.why, Some(Trip::FailureRate { failed: 2, calls: 4 }));
}

#[tokio::test(start_paused = true)]
async fn one_that_only_reports_refuses_nobody() {
    let recorder = Recorder::new();
    let (mut service, handle, inner) = build(two_failures().shadow().observer(recorder.clone()));
    fail(&mut service, 2).await;
    fail(&mut service, 3).await;
    service.call(Act::Succeed).await.expect("it would have been refused");
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.rejected, snapshot.would_have_rejected), (Open, 0, 4));
    assert_eq!((inner.calls(), snapshot.stale), (6, 0));
    advance(OPEN_FOR).await;
    assert_eq!(handle.state(), HalfOpen);
    let probe = service.call(Act::Succeed);
    // Beside the probe, which alone counts.
    fail(&mut service, 2).await;
    assert_eq!((handle.state(), handle.snapshot().would_have_rejected), (HalfOpen, 6));
    probe.await.unwrap();
    assert_eq!((handle.state(), handle.snapshot().failures), (Closed, 0));
    let changes = ["closed -> open", "open -> half-open", "half-open -> closed"];
    assert_eq!(recorder.take(), changes.map(|change| format!("breaker breaker: circuit {change}")));
}

#[tokio::test(start_paused = true)]
async fn says_once_what_an_operator_did() {
    let recorder = Recorder::new();
    let (_service, handle, _inner) = build(two_failures().observer(recorder.clone()));
    let acts: [(Operate, &[&str]); 8] = [
        (BreakerHandle::resume, &[]),
        (BreakerHandle::force_open, &["closed -> open"]),
        (BreakerHandle::force_open, &[]),
        (BreakerHandle::resume, &["open -> half-open"]),
        (BreakerHandle::force_closed, &["half-open -> closed"]),
        (BreakerHandle::resume, &[]),
        (BreakerHandle::force_open, &["closed -> open"]),
        (BreakerHandle::reset, &["open -> closed"]),
    ];
    for (number, (act, changes)) in acts.into_iter().enumerate() {
        act(&handle);
        let events: Vec<_> =
            changes.iter().map(|change| format!("breaker breaker: circuit {change}")).collect();
        assert_eq!(recorder.take(), events, "{number}");
    }
}
