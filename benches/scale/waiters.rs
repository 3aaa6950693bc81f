//! Those who wait for the one place of a bulkhead: what each keeps, and what it takes to come, to be served and
//! to leave.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress::{bulkhead::Bulkhead, prelude::*};
use buttress_benches::inner::{Gate, open_gate, reached};
use tower::{Layer, Service};

use super::{Costs, Series, measured, rounds};

const SIZES: [u64; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Longer than a run.
const PATIENCE: Duration = Duration::from_secs(3_600);

type Waiter = Pin<Box<<Bulkhead<Gate> as Service<u64>>::Future>>;

pub(super) fn costs() -> Costs {
    let mut series = Series::new("bulkhead");
    for waiters in SIZES {
        for _ in 0..rounds(waiters) {
            served(waiters, &mut series);
            leave(waiters, &mut series);
        }
    }
    let mut costs = Costs::new("a waiter");
    let memory = memory();
    costs.add(&series, &memory);
    costs
}

/// In the order in which they came.
fn served(waiters: u64, series: &mut Series) {
    let (holder, mut queue) = queue(waiters, series);
    open_gate(true);
    let before = reached();
    let mut context = Context::from_waker(Waker::noop());
    let (took, _) = measured(|| {
        drop(holder);
        for waiter in &mut queue {
            assert!(matches!(waiter.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        }
        queue.clear();
    });
    assert_eq!(reached() - before, waiters, "each was served");
    series.step("is served", waiters, took);
}

/// First those in the middle, who are far from both ends, and then to the one and to the other.
fn from_the_middle(waiters: u64) -> impl Iterator<Item = usize> {
    let size = usize::try_from(waiters).expect("it fits");
    (size / 2..size).chain((0..size / 2).rev())
}

fn leave(waiters: u64, series: &mut Series) {
    let (holder, queue) = queue(waiters, series);
    all_leave(queue, waiters, series);
    drop(holder);
}

fn all_leave<W>(queue: Vec<W>, waiters: u64, series: &mut Series) {
    let mut queue: Vec<_> = queue.into_iter().map(Some).collect();
    let (took, kept) = measured(|| {
        for at in from_the_middle(waiters) {
            assert!(queue[at].take().is_some());
        }
    });
    assert!(kept < 0, "what a waiter kept is given back");
    series.step("leaves", waiters, took);
}

/// Boxes of as much as a waiter keeps, or nearly.
fn memory() -> Series {
    let mut series = Series::new("memory");
    for waiters in SIZES {
        for _ in 0..rounds(waiters) {
            let mut queue = Vec::with_capacity(usize::try_from(waiters).expect("it fits"));
            let (took, kept) = measured(|| queue.extend((0..waiters).map(|n| Box::new([n; 40]))));
            assert!(kept > 0);
            series.step("comes", waiters, took);
            all_leave(queue, waiters, &mut series);
        }
    }
    series
}

/// One that holds the place, and those who wait.
fn queue(waiters: u64, series: &mut Series) -> (Waiter, Vec<Waiter>) {
    let size = usize::try_from(waiters).expect("it fits");
    let layer = BulkheadLayer::builder().max_concurrent(1).max_queue(size).max_wait(PATIENCE);
    let mut service = layer.build().expect("valid").layer(Gate);
    open_gate(false);
    let mut context = Context::from_waker(Waker::noop());
    let mut begin = |n| {
        assert!(service.poll_ready(&mut context).is_ready());
        let mut call = Box::pin(service.call(n));
        assert!(call.as_mut().poll(&mut context).is_pending());
        call
    };
    let holder = begin(0);
    let mut queue = Vec::with_capacity(size);
    let (took, kept) = measured(|| queue.extend((1..=waiters).map(begin)));
    series.step("comes", waiters, took);
    series.bytes(waiters, kept);
    (holder, queue)
}
