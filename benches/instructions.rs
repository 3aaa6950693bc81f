//! The instructions and allocations of one call through a layer.
//!
//! They are the same in every run and on every machine of one kind, however busy, so that a
//! difference of one instruction can be told; what they take is another matter, and that of the
//! other benchmarks. A further subject is one more line above [`call`]: a function that makes its
//! service, warm.

#![expect(missing_docs, reason = "the macros make public items")]

mod adds;

use std::{future::poll_fn, hint::black_box, time::Duration};

use buttress::{
    breaker::Breaker,
    bulkhead::Bulkhead,
    fallback::{Failure, Fallback},
    prelude::*,
    retry::JitteredRetry,
    timeout::Timeout,
};
use futures_util::FutureExt;
use gungraun::{
    Callgrind, Dhat, DhatMetric, EventKind, LibraryBenchmarkConfig, library_benchmark,
    library_benchmark_group, main,
};
use tower::{Layer, Service};

use self::adds::{Adds, FAILS};

/// What is made once per thread or per process does not belong to a call. Leaked, so that neither
/// its move nor its drop does.
fn warm<S: Service<u64, Response = u64>>(mut service: S) -> &'static mut S {
    one(&mut service, 1);
    Box::leak(Box::new(service))
}

fn one<S: Service<u64, Response = u64>>(service: &mut S, n: u64) -> Option<u64> {
    let ready = poll_fn(|cx| service.poll_ready(cx)).now_or_never();
    assert!(matches!(ready, Some(Ok(()))));
    service.call(n).now_or_never().expect("a ready service answers at once").ok()
}

fn bare() -> &'static mut Adds {
    warm(Adds)
}

fn breaker_closed() -> &'static mut Breaker<Adds> {
    warm(BreakerLayer::new().layer(Adds))
}

fn breaker_open() -> &'static mut Breaker<Adds> {
    let layer = BreakerLayer::builder().consecutive_failures(1).build().expect("valid");
    let mut service = layer.layer(Adds);
    one(&mut service, FAILS);
    assert_eq!(one(&mut service, 1), None, "the circuit is open");
    warm(service)
}

fn bulkhead_admitted() -> &'static mut Bulkhead<Adds> {
    warm(BulkheadLayer::new(64).expect("valid").layer(Adds))
}

/// Every place is taken by a call that has not ended.
fn bulkhead_full() -> &'static mut Bulkhead<Adds> {
    let mut service = BulkheadLayer::new(1).expect("valid").layer(Adds);
    std::mem::forget(service.call(1));
    assert_eq!(one(&mut service, 1), None, "it is full");
    warm(service)
}

fn fallback_passes() -> &'static mut Fallback<Adds, (), u64> {
    let zero = |_: &(), _: &Failure<'_>| 0;
    warm(FallbackLayer::builder().value("zero", zero).build().expect("valid").layer(Adds))
}

fn retry_passes() -> &'static mut JitteredRetry<Adds> {
    warm(JitteredRetryLayer::new(3).expect("valid").layer(Adds))
}

fn timeout_passes() -> &'static mut Timeout<Adds> {
    warm(TimeoutLayer::new(Duration::from_secs(1)).expect("valid").layer(Adds))
}

#[library_benchmark]
#[bench::bare(bare())]
#[bench::breaker_closed(breaker_closed())]
#[bench::breaker_open(breaker_open())]
#[bench::bulkhead_admitted(bulkhead_admitted())]
#[bench::bulkhead_full(bulkhead_full())]
#[bench::fallback_passes(fallback_passes())]
#[bench::retry_passes(retry_passes())]
#[bench::timeout_passes(timeout_passes())]
fn call<S: Service<u64, Response = u64>>(service: &'static mut S) -> Option<u64> {
    one(service, black_box(1))
}

library_benchmark_group!(name = layers, benchmarks = call);

main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().format([EventKind::Ir]))
        .tool(Dhat::default().format([DhatMetric::TotalBlocks, DhatMetric::TotalBytes])),
    library_benchmark_groups = layers
);
