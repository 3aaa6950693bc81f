//! Settings that make no sense are refused by name, and those at the edge of their range work.

use std::time::Duration;

use buttress_breaker::{BreakerLayer, BreakerLayerBuilder, Window};
use buttress_core::{BoxError, CircuitState, Judgement, Rejection};
use buttress_testkit::{Probe, Reply, assert_pending, task};
use tokio::time::advance;
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const TIMELESS: Duration = Duration::from_secs(u64::MAX);

fn breaker() -> BreakerLayerBuilder {
    BreakerLayer::builder()
}

fn assert_refused(builder: BreakerLayerBuilder, setting: &str, value: &str) {
    let error = builder.build().expect_err(setting);
    assert_eq!((error.setting(), error.value()), (setting, value));
    assert!(!error.allowed().is_empty());
}

#[test]
fn senseless_settings_are_config_errors() {
    for (builder, setting, value) in [
        (breaker().consecutive_failures(0), "consecutive_failures", "0"),
        (breaker().consecutive_failures(1_000_001), "consecutive_failures", "1000001"),
        (breaker().probes(0), "probes", "0"),
        (breaker().probes(1_001), "probes", "1001"),
        (breaker().close_after(0), "close_after", "0"),
        (breaker().close_after(1_000_001), "close_after", "1000001"),
        (breaker().open_for(Duration::ZERO), "open_for", "0s"),
        (breaker().probe_lease(Duration::ZERO), "probe_lease", "0s"),
        (breaker().hint_limit(Duration::ZERO), "hint_limit", "0s"),
        (breaker().slow_call_rate(0.5, Duration::ZERO), "slow_call_rate", "0s"),
        (breaker().ramp(Duration::ZERO), "ramp", "0ns"),
        (breaker().ramp(DAY + SECOND), "ramp", "86401s"),
        (breaker().ramp(Duration::MAX), "ramp", "18446744073709551615.999999999s"),
    ] {
        assert_refused(builder, setting, value);
    }
}

/// A threshold of 9.0 is a percentage, or a mistake; in either case it would never be met.
#[test]
fn rates_and_factors_out_of_range_are_config_errors() {
    let rates = [(0.0, "0"), (-0.1, "-0.1"), (1.1, "1.1"), (9.0, "9"), (f64::NAN, "NaN")];
    for (rate, value) in rates.into_iter().chain([(f64::INFINITY, "inf")]) {
        assert_refused(breaker().failure_rate(rate), "failure_rate", value);
        assert_refused(breaker().slow_call_rate(rate, SECOND), "slow_call_rate", value);
    }
    for (part, value) in [(-0.1, "-0.1"), (1.1, "1.1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        assert_refused(breaker().open_jitter(part), "open_jitter", value);
    }
    let factors = [
        (0.9, "0.9"),
        (0.0, "0"),
        (-2.0, "-2"),
        (100.5, "100.5"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
    ];
    for (factor, value) in factors {
        assert_refused(breaker().open_growth(factor, DAY), "open_growth", value);
    }
    // Wherever in the chain the open time stands.
    let shrinks = breaker().open_growth(2.0, SECOND).open_for(2 * SECOND);
    assert_refused(shrinks, "open_growth", "1s");
}

/// Whoever asks for a window, or for enough calls in it, and for no rate, has forgotten something.
#[test]
fn a_window_without_a_rate_is_a_config_error() {
    let calls = breaker().window(Window::last_calls(10));
    assert_refused(calls, "window", "the last 10 calls");
    let both = breaker().window(Window::last(SECOND)).consecutive_failures(3).min_calls(7);
    assert_refused(both, "window", "the last 1s");
    assert_refused(breaker().min_calls(7), "min_calls", "7");
}

/// Under a balancer "ready" is a promise, and a share is drawn call by call.
#[test]
fn a_ramp_and_readiness_exclude_each_other() {
    assert_refused(breaker().readiness().ramp(SECOND), "ramp", "1s");
    breaker().readiness().build().unwrap();
}

#[test]
fn windows_out_of_range_are_config_errors() {
    let rates: [fn(BreakerLayerBuilder) -> BreakerLayerBuilder; 3] = [
        |builder| builder,
        |builder| builder.failure_rate(0.5),
        |builder| builder.slow_call_rate(0.5, SECOND),
    ];
    for with_rate in rates {
        let breaker = || with_rate(breaker());
        let calls = |calls| breaker().window(Window::last_calls(calls));
        let time = |time| breaker().window(Window::last(time));
        for (builder, setting, value) in [
            (calls(0), "window", "0"),
            (calls(10_001), "window", "10001"),
            (calls(u32::MAX), "window", "4294967295"),
            (time(Duration::ZERO), "window", "0ns"),
            (time(Duration::from_millis(99)), "window", "99ms"),
            (time(25 * 3_600 * SECOND), "window", "90000s"),
            (time(Duration::MAX), "window", "18446744073709551615.999999999s"),
            (breaker().min_calls(0), "min_calls", "0"),
            (breaker().min_calls(101), "min_calls", "101"),
            (calls(10).min_calls(11), "min_calls", "11"),
            (time(SECOND).min_calls(0), "min_calls", "0"),
        ] {
            assert_refused(builder, setting, value);
        }
    }
}

#[cfg(feature = "keyed")]
#[test]
fn so_are_the_settings_of_one_circuit_a_key() {
    let by_length = |text: &String| text.len();
    for (keys, value) in [(0, "0"), (1_000_001, "1000001")] {
        let error = breaker().keyed(by_length).max_keys(keys).build().expect_err("max_keys");
        assert_eq!((error.setting(), error.value()), ("max_keys", value));
    }
    let error = breaker().keyed(by_length).probes(0).build().expect_err("probes");
    assert_eq!((error.setting(), error.value()), ("probes", "0"));
    for keys in [1, 1_000_000] {
        breaker().keyed(by_length).max_keys(keys).build().unwrap();
    }
}

#[test]
fn the_edges_of_the_ranges_are_allowed() {
    for builder in [
        breaker().consecutive_failures(1).probes(1).close_after(1),
        breaker().consecutive_failures(1_000_000).probes(1_000).close_after(1_000_000),
        breaker().failure_rate(f64::MIN_POSITIVE).window(Window::last_calls(1)),
        breaker().failure_rate(1.0).window(Window::last_calls(10_000)).min_calls(10_000),
        breaker()
            .failure_rate(0.5)
            .window(Window::last(Duration::from_millis(100)))
            .min_calls(u32::MAX),
        breaker().window(Window::last(DAY)).slow_call_rate(1.0, Duration::from_nanos(1)),
        breaker().open_jitter(1.0).open_growth(100.0, Duration::MAX),
        breaker().open_for(SECOND).open_growth(1.0, SECOND).ramp(DAY),
        breaker().open_for(Duration::from_nanos(1)).probe_lease(Duration::from_nanos(1)),
        breaker().ramp(Duration::from_nanos(1)).hint_limit(Duration::from_nanos(1)),
    ] {
        builder.build().unwrap();
    }
}

/// Times that no clock can reach mean never; nothing overflows, and nothing is poisoned by it.
#[tokio::test(start_paused = true)]
async fn times_without_end_work() {
    for time in [Duration::MAX, TIMELESS] {
        for hint in [None, Some(time)] {
            let layer = breaker()
                .failure_rate(0.5)
                .slow_call_rate(0.5, time)
                .min_calls(1)
                .window(Window::last(DAY))
                .open_for(time)
                .open_growth(100.0, time)
                .open_jitter(1.0)
                .hint_limit(time)
                .probe_lease(time)
                .ramp(DAY)
                .classify(move |result: Result<&(), &BoxError>| match result {
                    Ok(()) => Judgement::SUCCESS,
                    Err(_) => Judgement::FAILURE.after(hint),
                })
                .build()
                .unwrap();
            let (probe, inner) = Probe::new(|act| match act {
                "succeed" => Reply::Now(Ok(())),
                "fail" => Reply::Now(Err("down".into())),
                _ => Reply::Never,
            });
            let (mut service, handle) = (layer.layer(probe), layer.handle());
            // From closed, and from half-open.
            for opened in 1..=2_u32 {
                service.call("fail").await.unwrap_err();
                let refused = service.call("succeed").await.unwrap_err();
                let rejection = Rejection::find(refused.as_ref()).unwrap();
                // With jitter an endless time of our own may be any shorter one.
                if time == Duration::MAX {
                    assert_eq!(rejection.retry_after(), None);
                    advance(YEAR).await;
                    assert_eq!(handle.state(), CircuitState::Open);
                }
                assert_eq!(handle.snapshot().opened, u64::from(opened));
                assert_eq!(inner.calls(), opened as usize);
                handle.force_open();
                handle.resume();
                assert_eq!(handle.state(), CircuitState::HalfOpen);
            }
            let mut hangs = task::spawn(service.call("hang"));
            assert_pending!(hangs.poll());
            advance(YEAR).await;
            assert_eq!((handle.state(), handle.snapshot().probes), (CircuitState::HalfOpen, 1));
            drop(hangs);
            service.call("succeed").await.unwrap();
            assert_eq!(handle.state(), CircuitState::HalfOpen, "the ramp has begun");
            advance(DAY).await;
            assert_eq!(handle.state(), CircuitState::Closed);
        }
    }
}
