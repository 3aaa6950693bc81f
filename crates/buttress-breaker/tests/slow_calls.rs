//! Calls that take too long, and calls that nobody waits for any more.

use std::time::Duration;

use buttress_breaker::{
    Abandoned, Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder, Window,
};
use buttress_core::{
    CircuitState::{Closed, HalfOpen, Open},
    Deadline, Trip,
};
use buttress_http::Http;
use buttress_testkit::{BodyStep, Probe, Reply, ScriptedBody, assert_pending, task};
use http::Response;
use http_body_util::BodyExt;
use tokio::time::advance;
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
const OPEN_FOR: Duration = Duration::from_secs(30);

/// How long the inner service takes, and how it then ends.
type Act = (Duration, bool);
type Guarded = Breaker<Probe<Act, ()>>;

/// Half of the last four being slower than a second opens it.
fn half_of_four() -> BreakerLayerBuilder {
    let builder = BreakerLayer::builder().slow_call_rate(0.5, SECOND);
    builder.window(Window::last_calls(4)).min_calls(4).open_for(OPEN_FOR)
}

fn build(builder: BreakerLayerBuilder) -> (Guarded, BreakerHandle) {
    let layer = builder.build().unwrap();
    let (probe, _inner) = Probe::new(|(time, succeeds): Act| {
        Reply::After(time, if succeeds { Ok(()) } else { Err("down".into()) })
    });
    (layer.layer(probe), layer.handle())
}

#[tokio::test(start_paused = true)]
async fn too_many_slow_calls_open_it() {
    let (mut service, handle) = build(half_of_four());
    // As long as is allowed is not longer.
    for time in [SECOND, SECOND, SECOND, SECOND, SECOND + MOMENT] {
        service.call((time, true)).await.unwrap();
        assert_eq!(handle.state(), Closed);
    }
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.calls, snapshot.slow, snapshot.slow_call_rate()), (4, 1, Some(0.25)));
    // A failure is slow as well.
    service.call((2 * SECOND, false)).await.unwrap_err();
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.failed), (Open, 1));
    assert_eq!(snapshot.why, Some(Trip::SlowCallRate { slow: 2, calls: 4 }));
}

/// Only a call that adds to a rate opens it by that: here enough were seen with one that was slow.
#[tokio::test(start_paused = true)]
async fn a_slow_call_says_nothing_about_failures() {
    let builder = BreakerLayer::builder().failure_rate(0.5).slow_call_rate(1.0, SECOND);
    let (mut service, handle) = build(builder.min_calls(4));
    for (time, succeeds) in [(SECOND, false), (SECOND, false), (SECOND, true), (2 * SECOND, true)] {
        assert_eq!(service.call((time, succeeds)).await.is_ok(), succeeds);
    }
    assert_eq!((handle.state(), handle.snapshot().failure_rate()), (Closed, Some(0.5)));
    service.call((SECOND, false)).await.unwrap_err();
    assert_eq!(handle.snapshot().why, Some(Trip::FailureRate { failed: 3, calls: 5 }));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_slow_has_failed() {
    let (mut service, handle) = build(half_of_four());
    for _ in 0..4 {
        service.call((2 * SECOND, true)).await.unwrap();
    }
    advance(OPEN_FOR).await;
    service.call((SECOND + MOMENT, true)).await.unwrap();
    assert_eq!((handle.state(), handle.snapshot().why), (Open, Some(Trip::ProbeSlow)));
    advance(OPEN_FOR).await;
    service.call((SECOND, true)).await.unwrap();
    assert_eq!(handle.state(), Closed);
}

/// The head comes at once, and the page in its own time.
#[tokio::test(start_paused = true)]
async fn under_http_a_call_lasts_as_long_as_its_body() {
    let layer = half_of_four().protocol(Http::new()).build().unwrap();
    let (probe, _inner) = Probe::new(|wait: Duration| {
        let steps = [BodyStep::Data("a"), BodyStep::Wait(wait), BodyStep::Data("b")];
        Reply::Now(Ok(Response::new(ScriptedBody::new(steps))))
    });
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    for (wait, slow) in [(SECOND, 0), (SECOND, 0), (SECOND + MOMENT, 1)] {
        let body = service.call(wait).await.unwrap().into_body();
        body.collect().await.unwrap();
        assert_eq!(handle.snapshot().slow, slow);
    }
    let body = service.call(2 * SECOND).await.unwrap().into_body();
    let mut read = task::spawn(body.collect());
    assert_pending!(read.poll());
    advance(SECOND + MOMENT).await;
    assert_eq!(handle.state(), Closed, "not over yet");
    read.await.unwrap();
    assert_eq!(handle.snapshot().why, Some(Trip::SlowCallRate { slow: 2, calls: 4 }));
}

/// A stream that stays open is not slow for that, however its end comes; one whose head takes long is.
#[tokio::test(start_paused = true)]
async fn slow_by_the_head_where_that_is_what_counts() {
    let layer = half_of_four().protocol(Http::new().slow_by_head()).build().unwrap();
    let (probe, _inner) = Probe::new(|(before, ends): (Duration, bool)| {
        let wait = BodyStep::Wait(3 * SECOND);
        let end = if ends { BodyStep::Data("b") } else { BodyStep::Error("reset") };
        let steps = [BodyStep::Data("a"), wait.clone(), BodyStep::Data("a"), wait, end];
        Reply::After(before, Ok(Response::new(ScriptedBody::new(steps))))
    });
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    for (ends, slow, failed) in [(true, 0, 0), (false, 0, 1), (true, 0, 1)] {
        let body = service.call((SECOND, ends)).await.unwrap().into_body();
        assert_eq!(body.collect().await.is_ok(), ends);
        assert_eq!((handle.snapshot().slow, handle.snapshot().failed), (slow, failed));
    }
    // Dropped in its midst.
    let mut body = service.call((SECOND, true)).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    advance(9 * SECOND).await;
    drop(body);
    assert_eq!((handle.snapshot().calls, handle.snapshot().slow), (4, 0));
    service.call((SECOND + MOMENT, true)).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(handle.snapshot().slow, 1);
}

/// Before the first frame, between two, before the end, or instead of it: what he does not ask for the
/// dependency can not give.
#[tokio::test(start_paused = true)]
async fn a_reader_who_takes_his_time_makes_no_call_slow() {
    let layer = BreakerLayer::builder()
        .slow_call_rate(1.0, SECOND)
        .min_calls(100)
        .protocol(Http::new())
        .build()
        .unwrap();
    let (probe, _inner) = Probe::new(|wait: Duration| {
        let steps = [BodyStep::Data("a"), BodyStep::Wait(wait), BodyStep::Data("b")];
        Reply::Now(Ok(Response::new(ScriptedBody::new(steps))))
    });
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    // The reader's rests, and for how long he and the dependency wait for each other.
    for (frames, wait, slow) in [
        (usize::MAX, Duration::ZERO, 0),
        (usize::MAX, SECOND, 0),
        (usize::MAX, SECOND + MOMENT, 1),
        (0, Duration::ZERO, 1),
        (1, SECOND, 1),
    ] {
        let mut body = service.call(wait).await.unwrap().into_body();
        advance(5 * SECOND).await;
        for _ in 0..frames {
            let Some(frame) = body.frame().await else { break };
            frame.unwrap();
            advance(5 * SECOND).await;
        }
        drop(body);
        assert_eq!(handle.snapshot().slow, slow, "{frames} frames, {wait:?}");
    }
    assert_eq!(handle.snapshot().calls, 5);
}

/// Drops a call before its head, after this time, under this deadline; and says whether it counted as
/// a failure.
async fn abandoned(builder: BreakerLayerBuilder, after: Duration, deadline: Duration) -> bool {
    let (mut service, handle) = build(builder.consecutive_failures(1));
    let deadline = Deadline::after(deadline);
    let call = Deadline::scope(Some(deadline), || service.call((OPEN_FOR, true)));
    let mut call = task::spawn(call);
    assert_pending!(call.poll());
    advance(after).await;
    drop(call);
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.failures, u32::from(snapshot.state == Open));
    snapshot.state == Open
}

#[tokio::test(start_paused = true)]
async fn what_an_abandoned_call_says_is_a_setting() {
    let late = (2 * SECOND, 2 * SECOND);
    let early = (SECOND, 2 * SECOND);
    let breaker = BreakerLayer::builder;
    for (setting, if_late, if_early) in [
        (None, true, false),
        (Some(Abandoned::FailedIfLate), true, false),
        (Some(Abandoned::Failed), true, true),
        (Some(Abandoned::Neutral), false, false),
    ] {
        for ((after, deadline), failed) in [(late, if_late), (early, if_early)] {
            let builder = match setting {
                Some(setting) => breaker().abandoned(setting),
                None => breaker(),
            };
            assert_eq!(abandoned(builder, after, deadline).await, failed, "{setting:?} {after:?}");
        }
    }
}

/// Where it is known what is slow, nobody need wait for a deadline to tell.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_slow_when_it_was_abandoned_has_failed() {
    let far = OPEN_FOR;
    for (after, failed) in [(SECOND, false), (SECOND + MOMENT, true)] {
        assert_eq!(abandoned(half_of_four(), after, far).await, failed, "{after:?}");
        let never = half_of_four().abandoned(Abandoned::Neutral);
        assert!(!abandoned(never, after, far).await);
    }
    // It is slow in the window, too, and one that was not counts nowhere.
    let (mut service, handle) = build(half_of_four());
    for after in [SECOND, 2 * SECOND] {
        let mut call = task::spawn(service.call((OPEN_FOR, true)));
        assert_pending!(call.poll());
        advance(after).await;
        drop(call);
    }
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed, snapshot.slow), (1, 1, 1));
}

/// A body that is dropped is what its head said, but one of a slow probe does not close the circuit.
#[tokio::test(start_paused = true)]
async fn a_slow_body_that_is_dropped_is_slow() {
    let layer = half_of_four().protocol(Http::new()).build().unwrap();
    let (probe, _inner) = Probe::new(|_: ()| {
        Reply::Now(Ok(Response::new(ScriptedBody::new([BodyStep::Data("a"), BodyStep::Hang]))))
    });
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    handle.force_open();
    handle.resume();
    assert_eq!(handle.state(), HalfOpen);
    let body = service.call(()).await.unwrap().into_body();
    let mut read = task::spawn(body.collect());
    assert_pending!(read.poll());
    advance(2 * SECOND).await;
    drop(read);
    assert_eq!(handle.snapshot().why, Some(Trip::ProbeSlow));
}
