//! The breaker beside its peers: closed, open, and shared by two threads.
//!
//! Every subject stands in front of the same ready service, trips on what it calls a failing
//! dependency, and stays open for an hour. Those that wrap futures and not services are given the
//! service's own future. Only ratios of one run are worth quoting; that of two threads to one is
//! of the calls per second, and the best there is is 2.

mod adds;

use std::{
    future::poll_fn,
    hint::black_box,
    pin::pin,
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use buttress::prelude::*;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use failsafe::futures::CircuitBreaker as _;
use recloser::{AsyncRecloser, Recloser};
use seatbelt::{RecoveryInfo, ResilienceContext, breaker::Breaker};
use tick::Clock;
use tokio::{runtime::Builder, time::Instant};
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use self::adds::{Adds, Down, FAILS};

/// Longer than a run, so that what is open stays open.
const OPEN_FOR: Duration = Duration::from_secs(3600);

/// In a row, for those that count so; the others go by a rate, at their defaults.
const FAILURES: u32 = 5;

/// What trips every subject: the windows of those that go by a rate hold 100 calls.
const TO_TRIP: usize = 1_000;

/// The calls of one thread in one round of many: threads that start together may share a core for
/// a while, until the system moves one away.
const CALLS: u64 = 100_000;

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

/// Calls as a caller of a tower service does.
fn over_tower<S>(mut service: S) -> impl FnMut(u64) -> Option<u64> + Clone + Send
where
    S: Service<u64, Response = u64> + Clone + Send,
{
    move |n| {
        assert!(end_of(poll_fn(|cx| service.poll_ready(cx))).is_ok());
        end_of(service.call(n)).ok()
    }
}

/// Polls until the end, which is at once unless somebody waits for a lock: tower-resilience's is
/// asynchronous, and may be held by a thread that this one keeps from running.
fn end_of<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
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

fn shared<F>(criterion: &mut Criterion, name: &str, call: F)
where
    F: FnMut(u64) -> Option<u64> + Clone + Send,
{
    let mut group = criterion.benchmark_group(format!("shared/{name}"));
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.throughput(Throughput::Elements(CALLS * threads as u64));
        group.bench_function(format!("threads={threads}"), |bencher| {
            bencher.iter_custom(|rounds| time_of(threads, rounds * CALLS, &call));
        });
    }
}

/// How long it takes until each of the threads has made this many calls, each on a clone of its
/// own.
fn time_of<F>(threads: usize, calls: u64, call: &F) -> Duration
where
    F: FnMut(u64) -> Option<u64> + Clone + Send,
{
    let barrier = Barrier::new(threads);
    let all = |mut call: F| {
        barrier.wait();
        let start = Instant::now();
        for _ in 0..calls {
            assert_eq!(call(black_box(1)), Some(2));
        }
        (start, Instant::now())
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let call = call.clone();
                scope.spawn(|| all(call))
            })
            .collect();
        let times = running.into_iter().map(|thread| thread.join().expect("no call panics"));
        let (starts, ends): (Vec<_>, Vec<_>) = times.unzip();
        let start = starts.into_iter().min().expect("a thread");
        ends.into_iter().max().expect("a thread") - start
    })
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
