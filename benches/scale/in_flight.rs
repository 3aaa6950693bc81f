//! Calls in flight: what each keeps, and what it takes to begin and to end it.

use std::{
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use buttress_benches::{
    call::make_ready,
    inner::{Gate, open_gate, reached},
    peers::{LIMIT, ours},
};
use tower::Service;

use super::{Costs, Series, measured, rounds};

const SIZES: [u64; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

const ROOM_FOR_ALL: usize = 1_000_000;

pub(super) fn costs() -> Costs {
    let mut costs = Costs::new("a call in flight");
    add(&mut costs, "timeout", ours::timeout(LIMIT, Gate));
    add(&mut costs, "retry", ours::retry(Gate));
    add(&mut costs, "breaker", ours::breaker(Gate));
    add(&mut costs, "bulkhead", ours::bulkhead(ROOM_FOR_ALL, Gate));
    add(&mut costs, "fallback", ours::fallback(Gate));
    let stack = ours::bulkhead(ROOM_FOR_ALL, Gate);
    let stack = ours::timeout(LIMIT, ours::retry(ours::breaker(stack)));
    add(&mut costs, "five stacked", ours::fallback(stack));
    costs
}

fn add<S>(costs: &mut Costs, name: &str, service: S)
where
    S: Service<u64, Response = u64>,
{
    let bytes = size_of::<S::Future>();
    let memory = memory(&format!("{bytes} bytes of memory"), bytes);
    costs.add(&series(name, service), &memory);
}

/// Of so many bytes for each call.
fn memory(name: &str, bytes: usize) -> Series {
    let mut series = Series::new(name);
    for calls in SIZES {
        for _ in 0..rounds(calls) {
            let mut all = Vec::with_capacity(usize::try_from(calls).expect("it fits"));
            let (took, kept) = measured(|| {
                all.extend((0..calls).map(|_| vec![black_box(1_u8); bytes].into_boxed_slice()));
            });
            series.step("begin", calls, took);
            assert!(kept > 0);
            let (took, _) = measured(|| all.clear());
            series.step("end", calls, took);
        }
    }
    series
}

fn series<S>(name: &str, mut service: S) -> Series
where
    S: Service<u64, Response = u64>,
{
    let mut series = Series::new(name);
    let mut context = Context::from_waker(Waker::noop());
    for calls in SIZES {
        for _ in 0..rounds(calls) {
            let mut in_flight: Vec<Pin<Box<S::Future>>> = Vec::new();
            in_flight.reserve_exact(usize::try_from(calls).expect("it fits"));
            open_gate(false);
            let (took, kept) = measured(|| {
                for n in 0..calls {
                    make_ready(&mut service);
                    let mut call = Box::pin(service.call(n));
                    assert!(call.as_mut().poll(&mut context).is_pending());
                    in_flight.push(call);
                }
            });
            series.step("begin", calls, took);
            series.bytes(calls, kept);
            open_gate(true);
            let before = reached();
            let (took, kept) = measured(|| {
                for (call, n) in in_flight.iter_mut().zip(0..) {
                    assert!(
                        matches!(call.as_mut().poll(&mut context), Poll::Ready(Ok(sum)) if sum == n + 1)
                    );
                }
                in_flight.clear();
            });
            assert_eq!(reached() - before, calls, "each did its work");
            assert!(kept < 0, "what a call kept is given back");
            series.step("end", calls, took);
        }
    }
    series
}
