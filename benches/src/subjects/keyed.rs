//! One circuit and one compartment a key, all of them known: no peer has them.

use std::hint::black_box;

use buttress::prelude::*;
use tower::{Layer, Service};

use crate::{
    call::answer,
    inner::Adds,
    peers::{FAILURES, OPEN_FOR, PLACES},
    results::Who,
    subject::Subjects,
};

const KEYS: [(u64, &str); 3] = [(1, "1 key"), (1_000, "1,000 keys"), (100_000, "100,000 keys")];

/// What every cache holds.
const FEW: u64 = 1_000;

pub(super) fn add(to: &mut Subjects) {
    for (keys, told) in KEYS {
        add_keys(to, &format!("breaker, {told}"), keys, breaker(keys));
    }
    for (keys, told) in KEYS {
        add_keys(to, &format!("bulkhead, {told}"), keys, bulkhead(keys));
    }
}

/// A key for each number.
pub fn breaker(keys: u64) -> impl Service<u64, Response = u64> + 'static {
    let layer = BreakerLayer::builder()
        .consecutive_failures(FAILURES)
        .open_for(OPEN_FOR)
        .keyed(|n: &u64| *n)
        .max_keys(size(keys));
    layer.build().expect("valid").layer(Adds)
}

/// A key for each number.
pub fn bulkhead(keys: u64) -> impl Service<u64, Response = u64> + 'static {
    let layer =
        BulkheadLayer::builder().max_concurrent(PLACES).keyed(|n: &u64| *n).max_keys(size(keys));
    layer.build().expect("valid").layer(Adds)
}

fn size(keys: u64) -> usize {
    usize::try_from(keys).expect("it fits")
}

/// The numbers from 1 on in an order that no cache can foresee: each once before one comes again.
pub fn shuffled(keys: u64) -> impl FnMut() -> u64 {
    // A prime, so that it shares no factor with a number of keys that is a power of ten.
    const STEP: u64 = 2_654_435_761;
    let mut at = 0;
    move || {
        at = (at + STEP) % keys;
        at + 1
    }
}

fn add_keys<S>(to: &mut Subjects, row: &str, keys: u64, mut service: S)
where
    S: Service<u64, Response = u64> + 'static,
{
    for n in 1..=keys {
        assert_eq!(answer(&mut service, n), Some(n + 1));
    }
    let mut next = shuffled(keys);
    to.add(row, Who::Buttress, 1, move || {
        let n = next();
        answer(&mut service, black_box(n)) == Some(n + 1)
    });
    if keys > FEW {
        // All of them in a batch: else each would begin with caches that the other subjects have filled.
        to.in_batches_of(2 * keys);
    }
}
