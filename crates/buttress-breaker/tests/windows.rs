//! Rates over windows, through the layer, on a paused clock. The windows alone are proved beside
//! them.

use std::time::Duration;

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, BreakerLayerBuilder, Window};
use buttress_core::{BoxError, CircuitState, Plain, Trip};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Fails when it is told to, in no time.
async fn obedient(fails: bool) -> Result<(), BoxError> {
    if fails { Err("down".into()) } else { Ok(()) }
}

type Guarded<S> = (Breaker<S, Plain>, BreakerHandle);

fn guard(
    builder: BreakerLayerBuilder,
) -> Guarded<impl Service<bool, Response = (), Error = BoxError> + Clone> {
    let layer = builder.build().unwrap();
    (layer.layer(service_fn(obedient)), layer.handle())
}

fn half(window: Window) -> BreakerLayerBuilder {
    BreakerLayer::builder().failure_rate(0.5).window(window)
}

/// A peer's fault: a "sliding" window that only ever grows, so that an hour of health delays the
/// trip by an hour.
#[tokio::test(start_paused = true)]
async fn an_hour_of_health_does_not_delay_the_trip() {
    for (window, most) in [
        (Window::last_calls(100), 100),
        // Of ten seconds at a thousand a second it takes half.
        (Window::last(10 * SECOND), 5_001),
    ] {
        let (mut service, handle) = guard(half(window));
        for _ in 0..3_600 {
            for _ in 0..1_000 {
                service.call(false).await.unwrap();
            }
            advance(SECOND).await;
        }
        let mut failures = 0;
        while handle.state() == CircuitState::Closed {
            service.call(true).await.unwrap_err();
            failures += 1;
            if failures % 1_000 == 0 {
                advance(SECOND).await;
            }
            assert!(failures <= most, "still closed after {failures} failures");
        }
        let snapshot = handle.snapshot();
        let (failed, calls) = (snapshot.failed, snapshot.calls);
        assert_eq!(snapshot.why, Some(Trip::FailureRate { failed, calls }));
        assert_eq!(snapshot.failure_rate(), Some(0.5), "not sooner, either");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_means_nothing_before_enough_calls() {
    for window in [Window::last_calls(20), Window::last(10 * SECOND)] {
        let (mut service, handle) = guard(half(window).min_calls(7));
        for call in 1..=7 {
            assert_eq!(handle.state(), CircuitState::Closed, "before call {call}");
            service.call(true).await.unwrap_err();
        }
        assert_eq!(handle.state(), CircuitState::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_forgotten() {
    let (mut service, handle) = guard(half(Window::last(10 * SECOND)).min_calls(1));
    service.call(false).await.unwrap();
    service.call(false).await.unwrap();
    service.call(true).await.unwrap_err();
    let counts = || {
        let snapshot = handle.snapshot();
        (snapshot.calls, snapshot.failed)
    };
    assert_eq!(counts(), (3, 1));
    advance(9 * SECOND).await;
    assert_eq!(counts(), (3, 1), "nine tenths are kept");
    advance(SECOND).await;
    assert_eq!(counts(), (0, 0), "and not more than ten");
}

/// Any of several conditions opens the circuit.
#[tokio::test(start_paused = true)]
async fn conditions_are_combined() {
    let both = || half(Window::last_calls(10)).min_calls(10).consecutive_failures(3);
    let (mut service, handle) = guard(both());
    for _ in 0..3 {
        service.call(true).await.unwrap_err();
    }
    assert_eq!(handle.snapshot().why, Some(Trip::ConsecutiveFailures(3)));

    let (mut service, handle) = guard(both());
    for _ in 0..5 {
        service.call(false).await.unwrap();
        service.call(true).await.unwrap_err();
    }
    assert_eq!(handle.snapshot().why, Some(Trip::FailureRate { failed: 5, calls: 10 }));
}

/// A rate alone does not open at five failures in a row, which is the default without one.
#[tokio::test(start_paused = true)]
async fn a_rate_replaces_the_default() {
    let (mut service, handle) = guard(BreakerLayer::builder().failure_rate(0.5));
    for _ in 0..19 {
        service.call(true).await.unwrap_err();
    }
    assert_eq!((handle.state(), handle.snapshot().failures), (CircuitState::Closed, 19));
    service.call(true).await.unwrap_err();
    assert_eq!(handle.state(), CircuitState::Open, "twenty calls are enough by default");
}

/// What opened the circuit is not in the window when it is closed again.
#[tokio::test(start_paused = true)]
async fn a_closed_circuit_begins_anew() {
    for window in [Window::last_calls(4), Window::last(1_000 * SECOND)] {
        let (mut service, handle) = guard(half(window).min_calls(4).open_for(SECOND));
        for round in 1..=3 {
            for _ in 0..4 {
                assert_eq!(handle.state(), CircuitState::Closed);
                service.call(true).await.unwrap_err();
            }
            assert_eq!((handle.state(), handle.snapshot().opened), (CircuitState::Open, round));
            assert_eq!(handle.snapshot().calls, 4, "those when it opened");
            advance(SECOND).await;
            service.call(false).await.unwrap();
            assert_eq!((handle.state(), handle.snapshot().calls), (CircuitState::Closed, 0));
        }
    }
}
