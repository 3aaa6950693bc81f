//! Under HTTP a call is settled when its body is over.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_breaker::{Breaker, BreakerFollower, BreakerHandle, BreakerLayer};
use buttress_core::{CircuitState, Deadline};
use buttress_http::{Followed, Http};
use buttress_testkit::{BodyStep, Probe, ProbeHandle, Reply, ScriptedBody, assert_pending, task};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::advance;
use tower::{Layer, Service};

const OPEN_FOR: Duration = Duration::from_secs(30);

type Script = (u16, Vec<BodyStep>);
type Guarded = Breaker<Probe<Script, Response<ScriptedBody>>, Http>;

fn breaker() -> (Guarded, BreakerHandle, ProbeHandle) {
    let layer = BreakerLayer::builder()
        .consecutive_failures(1)
        .open_for(OPEN_FOR)
        .protocol(Http::new())
        .build()
        .unwrap();
    let (probe, inner) = Probe::new(|(status, steps): Script| {
        let mut response = Response::new(ScriptedBody::new(steps));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Reply::Now(Ok(response))
    });
    (layer.layer(probe), layer.handle(), inner)
}

async fn half_open() -> (Guarded, BreakerHandle) {
    let (mut service, handle, _inner) = breaker();
    assert_eq!(service.call((503, vec![])).await.unwrap().status(), 503);
    advance(OPEN_FOR).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    (service, handle)
}

async fn streamed(
    service: &mut Guarded,
    status: u16,
    steps: &[BodyStep],
) -> Followed<ScriptedBody, BreakerFollower> {
    service.call((status, steps.to_vec())).await.expect("a head").into_body()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_is_a_success_and_not_before() {
    let (mut service, handle) = half_open().await;
    let mut body = streamed(&mut service, 200, &[BodyStep::Data("a"), BodyStep::Data("b")]).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(handle.state(), CircuitState::HalfOpen, "more is to come");
    body.frame().await.unwrap().unwrap();
    assert_eq!(handle.state(), CircuitState::Closed, "hyper does not ask again");
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_mid_stream_is_a_failure() {
    let (mut service, handle, _inner) = breaker();
    let steps = [BodyStep::Data("half of it"), BodyStep::Error("connection reset")];
    let body = streamed(&mut service, 200, &steps).await;
    assert_eq!(handle.state(), CircuitState::Closed);
    assert_eq!(body.collect().await.unwrap_err().to_string(), "connection reset");
    assert_eq!(handle.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_early_is_what_its_head_said() {
    let steps = [BodyStep::Data("a"), BodyStep::Data("b")];
    let (mut service, handle) = half_open().await;
    let mut body = streamed(&mut service, 200, &steps).await;
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(handle.state(), CircuitState::Closed);

    // The other heads have settled before: the place is free, or the circuit open, at once.
    let (mut service, handle) = half_open().await;
    let body = streamed(&mut service, 429, &steps).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    let second = streamed(&mut service, 503, &steps).await;
    assert_eq!(handle.state(), CircuitState::Open);
    let before = handle.snapshot();
    body.collect().await.unwrap();
    drop(second);
    assert_eq!(handle.snapshot(), before, "settled once");
}

/// The head came in time, the body did not: a timeout outside cuts it, and drops it.
#[tokio::test(start_paused = true)]
async fn a_body_dropped_after_its_deadline_is_a_failure() {
    let (mut service, handle, _inner) = breaker();
    let deadline = Deadline::after(OPEN_FOR);
    let call = Deadline::scope(Some(deadline), || service.call((200, vec![BodyStep::Hang])));
    let body = call.await.unwrap().into_body();
    let mut read = task::spawn(body.collect());
    assert_pending!(read.poll());
    advance(OPEN_FOR).await;
    drop(read);
    assert_eq!(handle.state(), CircuitState::Open);
}

/// A limit on the gap between frames is no deadline: it drops the body under one that has passed.
#[tokio::test(start_paused = true)]
async fn a_body_cut_by_its_gap_is_a_failure() {
    let (mut service, handle, _inner) = breaker();
    let body = streamed(&mut service, 200, &[BodyStep::Data("a"), BodyStep::Hang]).await;
    let mut read = task::spawn(body.collect());
    assert_pending!(read.poll());
    Deadline::scope(Some(Deadline::after(Duration::ZERO)), || drop(read));
    assert_eq!(handle.state(), CircuitState::Open);
}

/// A dependency that had a frame ready each time it was asked is not to blame for a slow reader.
#[tokio::test(start_paused = true)]
async fn a_reader_who_leaves_late_says_nothing() {
    for frames in 0..3 {
        let (mut service, handle, _inner) = breaker();
        let deadline = Deadline::after(OPEN_FOR);
        let steps = vec![
            BodyStep::Data("x"),
            BodyStep::Wait(OPEN_FOR / 4),
            BodyStep::Data("y"),
            BodyStep::Data("z"),
        ];
        let call = Deadline::scope(Some(deadline), || service.call((200, steps)));
        let mut body = call.await.unwrap().into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        advance(OPEN_FOR).await;
        Deadline::scope(Some(deadline), || drop(body));
        assert_eq!(handle.state(), CircuitState::Closed, "after {frames} frames");
    }
}

/// Who asks only when his time is up, and is cut in that moment, gave the dependency none; who had
/// asked before did.
#[tokio::test(start_paused = true)]
async fn a_reader_who_asks_too_late_says_nothing() {
    for (asks_in_time, state) in [(false, CircuitState::Closed), (true, CircuitState::Open)] {
        let (mut service, handle, _inner) = breaker();
        let deadline = Some(Deadline::after(OPEN_FOR));
        let steps = vec![BodyStep::Data("x"), BodyStep::Hang];
        let call = Deadline::scope(deadline, || service.call((200, steps)));
        let mut body = call.await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        if asks_in_time {
            assert_pending!(task::spawn(body.frame()).poll());
        }
        advance(OPEN_FOR).await;
        assert_pending!(task::spawn(body.frame()).poll());
        Deadline::scope(deadline, || drop(body));
        assert_eq!(handle.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_is_a_failure() {
    let (mut service, handle, _inner) = breaker();
    let body = streamed(&mut service, 200, &[BodyStep::Data("a"), BodyStep::Panic]).await;
    let mut read = task::spawn(body.collect());
    catch_unwind(AssertUnwindSafe(|| read.poll())).unwrap_err();
    assert_eq!(handle.state(), CircuitState::Open);
}
