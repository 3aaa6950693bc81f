//! How long a circuit stays open, and how it lets calls in again, seen through the service.

use std::time::Duration;

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder};
use buttress_core::{
    BoxError,
    CircuitState::{Closed, HalfOpen, Open},
    Rejection, Trip,
};
use buttress_http::Http;
use buttress_testkit::{BodyStep, Probe, ProbeHandle, Reply, ScriptedBody, assert_pending, task};
use http::{Response, header::RETRY_AFTER};
use tokio::time::{Instant, advance};
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const RAMP: Duration = Duration::from_secs(10);

/// What the inner service shall do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    Hang,
}

type Guarded = Breaker<Probe<Act, ()>>;

fn first_failure() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(1).open_for(SECOND)
}

fn guard(layer: &BreakerLayer) -> (Guarded, BreakerHandle, ProbeHandle) {
    let (probe, inner) = Probe::new(|act| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err("down".into())),
        Act::Hang => Reply::Never,
    });
    (layer.layer(probe), layer.handle(), inner)
}

/// For how long this is refused.
fn refused_for(error: &BoxError) -> Duration {
    let rejection = Rejection::find(error.as_ref()).expect("a refusal");
    rejection.retry_after().expect("the end of an open time")
}

/// Fails once, and says for how long the circuit is then open.
async fn open_time(service: &mut Guarded) -> Duration {
    assert_eq!(service.call(Act::Fail).await.unwrap_err().to_string(), "down");
    refused_for(&service.call(Act::Succeed).await.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn the_open_time_grows_until_the_dependency_has_recovered() {
    let layer = first_failure().open_growth(2.0, 5 * SECOND).build().unwrap();
    let (mut service, handle, inner) = guard(&layer);
    for _ in 0..2 {
        for seconds in [1, 2, 4, 5, 5] {
            let time = open_time(&mut service).await;
            assert_eq!(time, seconds * SECOND);
            advance(time / 2).await;
            assert_eq!(handle.state(), Open);
            advance(time / 2).await;
            assert_eq!(handle.state(), HalfOpen);
        }
        service.call(Act::Succeed).await.unwrap();
        assert_eq!(handle.state(), Closed, "then it begins anew");
    }
    assert_eq!(inner.calls(), 12);
}

/// A fleet that was cut off at one moment does not come back in one.
#[tokio::test(start_paused = true)]
async fn a_part_of_the_open_time_is_left_to_chance() {
    let layer = first_failure().open_jitter(0.5).build().unwrap();
    let mut times = Vec::new();
    for _ in 0..20 {
        let (mut service, handle, _inner) = guard(&layer.isolated());
        let time = open_time(&mut service).await;
        assert!((SECOND / 2..=SECOND).contains(&time), "{time:?}");
        // And what was said is so.
        advance(time).await;
        assert_eq!(handle.state(), HalfOpen);
        times.push(time);
    }
    times.sort();
    times.dedup();
    assert!(times.len() > 15, "{times:?}");
}

type Page = (u16, Option<&'static str>);

fn pages(builder: BreakerLayerBuilder) -> impl AsyncFnMut(Page) -> Result<u16, BoxError> {
    let layer = builder.protocol(Http::new()).build().unwrap();
    let (probe, _inner) = Probe::new(|(status, retry_after): Page| {
        let mut response = Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header(RETRY_AFTER, value);
        }
        Reply::Now(Ok(response.body(ScriptedBody::new([BodyStep::Data("page")])).unwrap()))
    });
    let mut service = layer.layer(probe);
    async move |page| {
        let response = service.call(page).await?;
        Ok(response.status().as_u16())
    }
}

/// A server that knows when it will be back is believed, within reason.
#[tokio::test(start_paused = true)]
async fn a_503_says_for_how_long() {
    for (retry_after, limit, open_for) in [
        (None, None, 1),
        (Some("120"), None, 120),
        (Some("3600"), None, 300),
        (Some("18446744073709551615"), None, 300),
        (Some("120"), Some(60), 60),
        (Some("0"), None, 1),
        (Some("soon"), None, 1),
    ] {
        let builder = first_failure().open_growth(2.0, 8 * SECOND);
        let mut call = pages(match limit {
            Some(limit) => builder.hint_limit(limit * SECOND),
            None => builder,
        });
        // Of one that opens it, and of a probe, whose own open time would have grown.
        for own in [1, 2] {
            assert_eq!(call((503, retry_after)).await.unwrap(), 503);
            let refused = call((200, None)).await.unwrap_err();
            let expected = if open_for == 1 { own } else { open_for } * SECOND;
            assert_eq!(refused_for(&refused), expected, "{retry_after:?}");
            advance(expected).await;
        }
        assert_eq!(call((200, None)).await.unwrap(), 200);
    }
}

/// Successes before the last failure are no sign that it has recovered.
#[tokio::test(start_paused = true)]
async fn each_half_open_spell_counts_its_own_successes() {
    let layer = first_failure().close_after(2).build().unwrap();
    let (mut service, handle, _inner) = guard(&layer);
    open_time(&mut service).await;
    advance(SECOND).await;
    service.call(Act::Succeed).await.unwrap();
    open_time(&mut service).await;
    advance(SECOND).await;
    for state in [HalfOpen, Closed] {
        service.call(Act::Succeed).await.unwrap();
        assert_eq!(handle.state(), state);
    }
}

/// A half-open circuit in its ramp, with its one place taken by a call that hangs: what else is let
/// in is the share.
async fn ramping() -> (Guarded, BreakerHandle, task::Spawn<impl Future>) {
    let layer = first_failure().consecutive_failures(2).ramp(RAMP).build().unwrap();
    let (mut service, handle, _inner) = guard(&layer);
    service.call(Act::Fail).await.unwrap_err();
    open_time(&mut service).await;
    advance(SECOND).await;
    service.call(Act::Succeed).await.unwrap();
    assert_eq!(handle.state(), HalfOpen, "the ramp begins");
    let mut hangs = task::spawn(service.call(Act::Hang));
    assert_pending!(hangs.poll());
    (service, handle, hangs)
}

#[tokio::test(start_paused = true)]
async fn a_ramp_lets_in_a_growing_share_and_closes_at_its_end() {
    let (mut service, handle, hangs) = ramping().await;
    let mut transitions = handle.subscribe();
    let ends = Instant::now() + RAMP;
    for tenth in 0..10 {
        let mut let_in = 0_u32;
        for _ in 0..100 {
            match service.call(Act::Succeed).await {
                Ok(()) => let_in += 1,
                Err(error) => assert!(Rejection::find(error.as_ref()).is_some()),
            }
        }
        assert!(let_in.abs_diff(tenth * 10) <= 1, "{tenth}: {let_in}");
        assert_eq!(handle.state(), HalfOpen);
        advance(RAMP / 10).await;
    }
    advance(SECOND).await;
    for _ in 0..100 {
        service.call(Act::Succeed).await.expect("all");
    }
    let closed = transitions.next().await.unwrap();
    assert_eq!((closed.to, closed.at), (Closed, ends));
    drop(hangs);
}

/// Of many calls some always fail; a probe is few.
#[tokio::test(start_paused = true)]
async fn a_ramp_bears_what_a_closed_circuit_does() {
    let (mut service, handle, _hangs) = ramping().await;
    advance(RAMP * 9 / 10).await;
    for state in [HalfOpen, Open] {
        while service.call(Act::Fail).await.unwrap_err().to_string() != "down" {
            assert_eq!(handle.state(), HalfOpen, "not of the share");
        }
        assert_eq!(handle.state(), state);
    }
    assert_eq!(handle.snapshot().why, Some(Trip::ConsecutiveFailures(2)));
    advance(SECOND).await;
    // The ramp begins from none again, and a probe before it may not fail.
    service.call(Act::Succeed).await.unwrap();
    let mut hangs = task::spawn(service.call(Act::Hang));
    assert_pending!(hangs.poll());
    service.call(Act::Succeed).await.expect_err("nothing is owed yet");
    assert_eq!(handle.state(), HalfOpen);
    handle.force_open();
    handle.resume();
    service.call(Act::Fail).await.unwrap_err();
    assert_eq!((handle.state(), handle.snapshot().why), (Open, Some(Trip::ProbeFailed)));
}
