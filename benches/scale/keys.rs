//! Keys: what each keeps, and what it takes to get to know it and to find it again.

use std::{
    collections::HashMap,
    task::{Context, Poll},
};

use buttress_benches::{
    call::answer,
    inner::{Adds, Down, reached},
    subjects::keyed::{breaker, bulkhead, shuffled},
};
use tower::Service;

use super::{Costs, Series, measured, rounds};

const SIZES: [u64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

pub(super) fn costs() -> Costs {
    let mut costs = Costs::new("a key");
    let memory = series("memory", map);
    costs.add(&series("breaker", breaker), &memory);
    costs.add(&series("bulkhead", bulkhead), &memory);
    costs
}

/// What a key of ours keeps, or nearly.
type Kept = [u64; 56];

/// Finds in a map what it keeps for a key, and writes into it.
struct Map(HashMap<u64, Box<Kept>>);

impl Service<u64> for Map {
    type Response = u64;
    type Error = Down;
    type Future = <Adds as Service<u64>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Adds.poll_ready(cx)
    }

    fn call(&mut self, n: u64) -> Self::Future {
        for line in self.0.entry(n).or_insert_with(|| Box::new([0; _])).chunks_mut(8) {
            line[0] += 1;
        }
        Adds.call(n)
    }
}

fn map(_keys: u64) -> Map {
    Map(HashMap::new())
}

fn series<S>(name: &str, service: fn(u64) -> S) -> Series
where
    S: Service<u64, Response = u64>,
{
    let mut series = Series::new(name);
    for keys in SIZES {
        for _ in 0..rounds(keys).min(100) {
            let mut service = service(keys);
            for step in ["new", "known"] {
                let mut next = shuffled(keys);
                let before = reached();
                let (took, kept) = measured(|| {
                    for _ in 0..keys {
                        let n = next();
                        assert_eq!(answer(&mut service, n), Some(n + 1));
                    }
                });
                assert_eq!(reached() - before, keys, "each did its work");
                series.step(step, keys, took);
                if step == "new" {
                    series.bytes(keys, kept);
                } else {
                    assert_eq!(kept, 0, "a known key needs nothing more");
                }
            }
        }
    }
    series
}
