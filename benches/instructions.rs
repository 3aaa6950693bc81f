//! The instructions and allocations of one call through a layer.
//!
//! They are the same in every run of one build, however busy the machine, so that a difference of one
//! instruction can be told; what they take is another matter, and that of the table. `.ci/check_instructions.py`
//! compares them with `baseline.toml`. A further subject is one more line above [`call`]: a service, warm, and
//! what has to come of a call.

#![expect(missing_docs, reason = "the macros make public items")]

use std::{hint::black_box, time::Duration};

use buttress::prelude::*;
use buttress_benches::{
    call::answer,
    inner::{Adds, FAILS, WakesOnce, reached},
    peers::{LIMIT, PLACES, TO_TRIP, ours},
    subjects::{self, Expected, REFUSED, SERVED, keyed},
};
use gungraun::{
    Callgrind, Dhat, DhatMetric, EventKind, LibraryBenchmarkConfig, library_benchmark,
    library_benchmark_group, main,
};
use tower::{Layer, Service};

const FALLEN_BACK: Expected = Expected { sent: FAILS, answer: Some(0), reaches: 1 };
const GIVEN_UP: Expected = Expected { sent: FAILS, answer: None, reaches: 1 };

/// What is made once per thread or per process does not belong to a call. Leaked, so that neither
/// its move nor its drop does. Some want a runtime for their timers.
fn warm<S: Service<u64, Response = u64>>(mut service: S, expected: Expected) -> Warm<S> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = Box::leak(Box::new(runtime.expect("a runtime")));
    std::mem::forget(runtime.enter());
    for _ in 0..10 {
        one(&mut service, expected);
    }
    (Box::leak(Box::new(service)), expected)
}

type Warm<S> = (&'static mut S, Expected);

/// One call, and that it did what it had to: a dozen instructions more, in every subject the same.
fn one<S: Service<u64, Response = u64>>(service: &mut S, expected: Expected) {
    let before = reached();
    assert!(answer(service, black_box(expected.sent)) == expected.answer);
    assert!(reached() - before == expected.reaches);
}

fn tripped() -> impl Service<u64, Response = u64> {
    let mut service = ours::breaker(Adds);
    for _ in 0..TO_TRIP {
        answer(&mut service, FAILS);
    }
    service
}

/// The only place is taken by a call that has not ended.
fn full() -> impl Service<u64, Response = u64> {
    let mut service = ours::bulkhead(1, Adds);
    std::mem::forget(service.call(1));
    service
}

fn with_a_queue() -> impl Service<u64, Response = u64> {
    let layer = BulkheadLayer::builder().max_concurrent(PLACES).max_wait(LIMIT);
    layer.build().expect("valid").layer(Adds)
}

fn breaker_by_time() -> impl Service<u64, Response = u64> {
    ours::breaker_by_rate(Window::last(Duration::from_secs(3600)), Adds)
}

#[library_benchmark]
#[bench::bare(warm(Adds, SERVED))]
#[bench::timeout(warm(ours::timeout(LIMIT, Adds), SERVED))]
#[bench::timeout_woken(warm(ours::timeout(LIMIT, WakesOnce), SERVED))]
#[bench::retry(warm(ours::retry(Adds), SERVED))]
#[bench::retry_without_budget(warm(ours::retry_without_budget(Adds), SERVED))]
#[bench::retry_budget_empty(warm(ours::retry_when_broke(Adds), GIVEN_UP))]
#[bench::breaker_closed(warm(ours::breaker(Adds), SERVED))]
#[bench::breaker_by_calls(warm(ours::breaker_by_rate(Window::last_calls(100), Adds), SERVED))]
#[bench::breaker_by_time(warm(breaker_by_time(), SERVED))]
#[bench::breaker_open(warm(tripped(), REFUSED))]
#[bench::breaker_one_key(warm(keyed::breaker(1_000), SERVED))]
#[bench::bulkhead(warm(ours::bulkhead(PLACES, Adds), SERVED))]
#[bench::bulkhead_with_a_queue(warm(with_a_queue(), SERVED))]
#[bench::bulkhead_full(warm(full(), REFUSED))]
#[bench::bulkhead_one_key(warm(keyed::bulkhead(1_000), SERVED))]
#[bench::fallback(warm(ours::fallback(Adds), SERVED))]
#[bench::fallback_serves(warm(ours::fallback(Adds), FALLEN_BACK))]
#[bench::five_stacked(warm(ours::stacked(Adds), SERVED))]
#[bench::five_stacked_woken(warm(ours::stacked(WakesOnce), SERVED))]
fn call<S: Service<u64, Response = u64>>((service, expected): Warm<S>) {
    one(service, expected);
}

// The batches of the table, of one call each: a request made, sent and its response read to the end.
#[library_benchmark]
#[bench::empty(with_bodies(0))]
#[bench::bytes_256(with_bodies(256))]
#[bench::mebibyte_in_64_frames(with_bodies(1 << 20))]
fn under_http(calls: &'static mut dyn FnMut(u64) -> Duration) {
    black_box(calls(1));
}

fn with_bodies(bytes: usize) -> &'static mut dyn FnMut(u64) -> Duration {
    Box::leak(subjects::http::ours(bytes).calls)
}

library_benchmark_group!(name = layers, benchmarks = [call, under_http]);

main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().format([EventKind::Ir]))
        .tool(Dhat::default().format([DhatMetric::TotalBlocks, DhatMetric::TotalBytes])),
    library_benchmark_groups = layers
);
