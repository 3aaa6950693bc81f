//! How long calls waited for their places.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// From an eighth of a millisecond, each twice the one before, to 65.536 s, and what is longer.
const BUCKETS: usize = 21;
const SHORTEST: Duration = Duration::from_micros(125);

/// Counts waits by their length.
#[derive(Debug)]
pub(crate) struct Waits {
    counts: [AtomicU64; BUCKETS],
    // In microseconds, which last for half a million years.
    sum: AtomicU64,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, wait: Duration) {
        let bucket = (0..BUCKETS).find(|&bucket| wait <= bound(bucket)).unwrap_or(BUCKETS - 1);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let add = |sum: u64| Some(sum.saturating_add(micros));
        // It always adds.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub(crate) fn snapshot(&self) -> WaitTimes {
        WaitTimes {
            counts: array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.sum.load(Ordering::Relaxed)),
        }
    }
}

fn bound(bucket: usize) -> Duration {
    if bucket + 1 >= BUCKETS { Duration::MAX } else { SHORTEST * (1 << bucket) }
}

/// How long calls waited for their places, as counts by length.
///
/// Of those who did wait and were given one; how many were refused after a wait, and how many
/// did not have to wait, is told by the [snapshot](crate::BulkheadSnapshot).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WaitTimes {
    counts: [u64; BUCKETS],
    sum: Duration,
}

impl WaitTimes {
    /// The number of waits.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All waits together, each to the microsecond.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Each bucket's longest wait, which is twice that of the one before, and how many waits are in it
    /// alone, from the shortest on. That of the last is `Duration::MAX`.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| (bound(bucket), *count))
    }

    /// What this part of the waits, from 0.0 to 1.0, did not exceed: the longest wait of the bucket
    /// that it ends in. Between 125 µs and 65 s that is at most twice too much; above it is
    /// `Duration::MAX`. None if nobody waited.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        // A little less, for 0.07 of 100 is a little more than 7.
        let exact = part.clamp(0.0, 1.0) * count as f64 * (1.0 - 4.0 * f64::EPSILON);
        let mut missing = exact.max(1.0);
        let mut filled = self.buckets().filter(|(_, count)| *count > 0);
        filled.find_map(|(bound, count)| {
            missing -= count as f64;
            (missing <= 0.0).then_some(bound)
        })
    }
}

impl fmt::Debug for WaitTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets().filter(|(_, count)| *count > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_wait_is_in_the_bucket_that_it_just_fits_in() {
        let waits = Waits::new();
        assert_eq!(waits.snapshot().quantile(0.5), None);
        for micros in [0, 125, 126, 250, 65_536_000, 65_536_001] {
            waits.record(Duration::from_micros(micros));
        }
        let sum = Duration::from_micros(2 * 65_536_000 + 502);
        assert_eq!(waits.snapshot().sum(), sum);
        waits.record(Duration::MAX);
        assert!(waits.snapshot().sum() > 1_000_000 * sum, "it stays what it is, at its most");
        let bound = |micros| Duration::from_micros(micros);
        let filled: Vec<_> = waits.snapshot().buckets().filter(|(_, count)| *count > 0).collect();
        let expected =
            [(bound(125), 2), (bound(250), 2), (bound(65_536_000), 1), (Duration::MAX, 2)];
        assert_eq!(filled, expected);
    }

    /// 0.07 * 100.0 is a little more than 7.
    #[test]
    fn a_quantile_is_not_off_by_one() {
        let waits = Waits::new();
        for n in 0..100 {
            waits.record(Duration::from_millis(if n < 7 { 1 } else { 1_000 }));
        }
        let of = |part| waits.snapshot().quantile(part).expect("somebody waited");
        assert_eq!(of(0.07), Duration::from_millis(1));
        assert_eq!(of(0.08), Duration::from_millis(1_024));
    }

    proptest! {
        /// A quantile is never less than what it stands for, and not even twice as much.
        #[test]
        fn a_quantile_is_at_most_twice_too_much(
            mut micros in proptest::collection::vec(126..60_000_000_u64, 1..50),
            part in 0.0..=1.0_f64,
        ) {
            let waits = Waits::new();
            for wait in &micros {
                waits.record(Duration::from_micros(*wait));
            }
            micros.sort_unstable();
            let place = f64::ceil(part * micros.len() as f64).max(1.0);
            let exact = micros.iter().zip(1_u32..).find(|(_, nth)| f64::from(*nth) >= place);
            let exact = Duration::from_micros(*exact.expect("as many").0);
            let told = waits.snapshot().quantile(part).expect("somebody waited");
            prop_assert!(told >= exact && told < 2 * exact, "{told:?} for {exact:?}");
        }
    }
}
