//! The breaker beside its peers: closed, open, and shared by two threads.
//!
//! Every subject stands in front of the same ready service, trips on what it calls a failing
//! dependency, and stays open for an hour. Those that wrap futures and not services are given the
//! service's own future. Only ratios of one run are worth quoting; that of two threads to one is
//! of the calls per second, and the best there is is 2.

mod adds;
mod call;
mod threads;

use std::{hint::black_box, time::Duration};

use buttress::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use failsafe::futures::CircuitBreaker as _;
use recloser::{AsyncRecloser, Recloser};
use seatbelt::{RecoveryInfo, ResilienceContext, breaker::Breaker};
use tick::Clock;
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use self::{
    adds::{Adds, Down, FAILS},
    call::{end_of, over_tower},
    threads::shared,
};

/// Longer than a run, so that what is open stays open.
const OPEN_FOR: Duration = Duration::from_secs(3600);

/// In a row, for those that count so; the others go by a rate, at their defaults.
const FAILURES: u32 = 5;

/// What trips every subject: the windows of those that go by a rate hold 100 calls.
const TO_TRIP: usize = 1_000;

/// Gives each subject to `$use`, by its name and as a closure that makes one call.
///
/// A macro, for no two of the closures are of one type, and a box around them would be measured.
macro_rules! for_each_subject {
    ($use:ident, $criterion:expr) => {
        $use($criterion, "buttress", over_tower(buttress()));
        $use($criterion, "buttress, rate of calls", over_tower(by_rate(Window::last_calls(100))));
        $use($criterion, "buttress, rate of time", over_tower(by_rate(Window::last(OPEN_FOR))));
        $use($criterion, "tower-resilience", over_tower(tower_resilience()));
        $use($criterion, "seatbelt", over_tower(seatbelt()));
        $use($criterion, "failsafe", failsafe());
        $use($criterion, "recloser", recloser());
    };
}

fn buttress() -> impl Service<u64, Response = u64> + Clone + Send {
    let layer = BreakerLayer::builder().consecutive_failures(FAILURES).open_for(OPEN_FOR);
    layer.build().expect("valid").layer(Adds)
}

/// As those of its peers that go by a rate.
fn by_rate(window: Window) -> impl Service<u64, Response = u64> + Clone + Send {
    let layer = BreakerLayer::builder().failure_rate(0.5).window(window).open_for(OPEN_FOR);
    layer.build().expect("valid").layer(Adds)
}

fn tower_resilience() -> impl Service<u64, Response = u64> + Clone + Send {
    let layer = CircuitBreakerLayer::builder()
        .consecutive_failures(FAILURES as usize)
        .wait_duration_in_open(OPEN_FOR);
    ServiceBuilder::new().layer(layer.build().expect("valid")).service(Adds)
}

fn seatbelt() -> impl Service<u64, Response = u64> + Clone + Send {
    let context = ResilienceContext::new(Clock::new_tokio());
    let layer = Breaker::layer("breaker", &context)
        .recovery_with(|result: &Result<u64, Down>, _| match result {
            Ok(_) => RecoveryInfo::never(),
            Err(_) => RecoveryInfo::retry(),
        })
        .rejected_input_error(|_, _| Down)
        .break_duration(OPEN_FOR);
    ServiceBuilder::new().layer(layer).service(Adds)
}

fn failsafe() -> impl FnMut(u64) -> Option<u64> + Clone + Send {
    let policy = failsafe::failure_policy::consecutive_failures(
        FAILURES,
        failsafe::backoff::constant(OPEN_FOR),
    );
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    move |n| end_of(breaker.call(Adds.call(n))).ok()
}

fn recloser() -> impl FnMut(u64) -> Option<u64> + Clone + Send {
    let breaker = AsyncRecloser::from(Recloser::custom().open_wait(OPEN_FOR).build());
    move |n| end_of(breaker.call(Adds.call(n))).ok()
}

fn closed<F: FnMut(u64) -> Option<u64>>(criterion: &mut Criterion, name: &str, mut call: F) {
    criterion.benchmark_group("closed").bench_function(name, |bencher| {
        bencher.iter(|| assert_eq!(call(black_box(1)), Some(2)));
    });
}

fn open<F: FnMut(u64) -> Option<u64>>(criterion: &mut Criterion, name: &str, mut call: F) {
    for _ in 0..TO_TRIP {
        call(FAILS);
    }
    criterion.benchmark_group("open").bench_function(name, |bencher| {
        bencher.iter(|| assert_eq!(call(black_box(1)), None));
    });
}

fn breaker(criterion: &mut Criterion) {
    // seatbelt's clock is driven by a runtime.
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    for_each_subject!(closed, criterion);
    for_each_subject!(open, criterion);
    // What two threads can do on this machine at this time.
    shared(criterion, "no breaker", over_tower(Adds));
    for_each_subject!(shared, criterion);
}

criterion_group!(benches, breaker);
criterion_main!(benches);
