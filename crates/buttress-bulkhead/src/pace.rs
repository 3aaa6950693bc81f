//! How fast places come back, as far as it can be told without a clock for each call.

use std::{
    sync::{
        Mutex, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Where nothing is known yet: most calls take no longer.
const UNKNOWN: Duration = Duration::from_secs(1);

/// The longest estimate: who is told to come back later than that would better ask again.
const LONGEST: Duration = Duration::from_secs(30);

/// What is seen in a shorter time is chance.
const SHORTEST_SPAN: Duration = Duration::from_millis(20);

/// So long a span is measured before the next begins.
const SPAN: Duration = Duration::from_secs(1);

/// What was told so short a time ago still holds: in a storm of refusals most do not measure.
const FRESH: Duration = Duration::from_millis(1);

/// Nobody was refused for so long, and some left: places may have been free meanwhile, and how many came
/// back says nothing.
const LULL: Duration = Duration::from_millis(200);

/// Estimates how long it takes until a place is free, from how many calls left between refusals.
///
/// Calls that are let in do nothing for it: whoever is refused looks at how many have left since others
/// were refused, for in that time all places were taken.
#[derive(Debug)]
pub(crate) struct Pace {
    // Nanoseconds between two that leave; 0 if that is not known.
    between: AtomicU64,
    marks: Mutex<Option<Marks>>,
}

#[derive(Debug, Clone, Copy)]
struct Marks {
    older: Mark,
    newer: Mark,
    last: Mark,
    // When one was last seen to have left.
    changed: Instant,
    // As it was measured last.
    between: Duration,
}

/// So many had left at that time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    left: u64,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { between: AtomicU64::new(0), marks: Mutex::new(None) }
    }

    /// How long it takes, as seen by one who is refused now, when so many have left ever, until those
    /// who wait and he have places: so many.
    pub(crate) fn until_free(&self, now: Instant, left: u64, places: usize) -> Duration {
        // Whoever else measures at the moment does it for this one as well.
        let marks = match self.marks.try_lock() {
            Ok(marks) => Some(marks),
            Err(TryLockError::Poisoned(marks)) => Some(marks.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut marks) = marks {
            let marks = marks.get_or_insert_with(|| Marks::begin(Mark { at: now, left }));
            if now.saturating_duration_since(marks.last.at) >= FRESH {
                let between = marks.measure(Mark { at: now, left });
                self.between.store(between.unwrap_or(0), Ordering::Relaxed);
            }
        }
        match self.between.load(Ordering::Relaxed) {
            0 => UNKNOWN,
            nanos => Duration::from_nanos(nanos.saturating_mul(places as u64)).min(LONGEST),
        }
    }
}

impl Marks {
    fn begin(mark: Mark) -> Self {
        let between = Duration::ZERO;
        Self { older: mark, newer: mark, last: mark, changed: mark.at, between }
    }

    /// The nanoseconds between two that leave, from what is known and this.
    fn measure(&mut self, mark: Mark) -> Option<u64> {
        let since = |earlier: Instant| mark.at.saturating_duration_since(earlier);
        // Where places come back slowly, two that are refused may lie far apart without a lull.
        let lull = LULL.max(3 * self.between).min(LONGEST);
        if mark.left != self.last.left && since(self.last.at) > lull {
            *self = Self::begin(mark);
        }
        if mark.left != self.last.left {
            self.changed = mark.at;
        }
        self.last = mark;
        let span = since(self.older.at);
        let left = mark.left.saturating_sub(self.older.left);
        // A span has at least one who left in it, however long that takes.
        if mark.left != self.newer.left && since(self.newer.at) >= SPAN {
            self.older = self.newer;
            self.newer = mark;
        }
        if span < SHORTEST_SPAN {
            return None;
        }
        let nanos = span.as_nanos() / u128::from(left.max(1));
        // Whatever the pace was, none has left for a span: the next is to be waited for as long again.
        let idle = Some(since(self.changed)).filter(|idle| *idle >= SPAN).unwrap_or_default();
        let nanos = nanos.max(idle.as_nanos()).max(1);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.between = Duration::from_nanos(nanos).min(LONGEST);
        Some(nanos)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    proptest! {
        /// Of calls that leave at an even pace, the estimate is that pace, however long it has been
        /// so, and however often somebody is refused.
        #[test]
        fn an_even_pace_is_told(
            every in 1..2_000_u32,
            refusals in proptest::collection::vec(1..200_u32, 1..99),
            places in 1..50_usize,
        ) {
            let (pace, start) = (Pace::new(), Instant::now());
            let mut elapsed = 0;
            for gap in refusals {
                let left = u64::from(elapsed / every);
                let told = pace.until_free(start + MILLI * elapsed, left, places);
                prop_assert!(told > Duration::ZERO && told <= LONGEST);
                // What is seen is off by one that leaves at most, at each end of the span.
                if elapsed > 40 * every && elapsed > 40 {
                    let right = (MILLI * every * u32::try_from(places).unwrap()).min(LONGEST);
                    let seen = f64::from(elapsed.min(1_000) / every).max(1.0);
                    let off = told.as_secs_f64() / right.as_secs_f64();
                    prop_assert!(off <= 1.0 + 2.0 / seen && off >= 1.0 / (1.0 + 2.0 / seen), "{off}");
                }
                elapsed += gap;
            }
        }
    }

    #[test]
    fn nothing_is_known_at_first_and_after_a_lull() {
        let (pace, start) = (Pace::new(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(pace.until_free(start, 0, 1), second);
        assert_eq!(pace.until_free(start + MILLI, 50, 1), second, "too short a time");
        assert_eq!(pace.until_free(start + 100 * MILLI, 50, 1), 2 * MILLI);
        assert_eq!(pace.until_free(start + 200 * MILLI, 50, 4), 16 * MILLI, "none has left since");
        let later = start + 500 * MILLI;
        assert_eq!(pace.until_free(later, 1_000, 1), second, "nobody was refused meanwhile");
        assert_eq!(pace.until_free(later + 100 * MILLI, 1_010, 1), 10 * MILLI);
    }

    /// Refused all the time, from nothing on to a pace of 1 ms, then to one of 20 ms, then to a hang.
    #[test]
    fn a_pace_that_changes_is_told_within_two_seconds() {
        let (pace, start) = (Pace::new(), Instant::now());
        let mut left = 0;
        let mut told = Vec::new();
        for ms in 0..60_000_u32 {
            left += match ms {
                0..5_000 => 1,
                5_000..10_000 => u64::from(ms % 20 == 0),
                _ => 0,
            };
            told.push(pace.until_free(start + ms * MILLI, left, 1));
        }
        let close = |told: Duration, to: Duration| {
            assert!(told >= to * 9 / 10 && told <= to * 11 / 10, "{told:?} for {to:?}");
        };
        close(told[4_999], MILLI);
        close(told[9_999], 20 * MILLI);
        // As long again as nothing has come back.
        close(told[11_000], Duration::from_secs(1));
        close(told[30_000], Duration::from_secs(20));
        assert_eq!(told[59_999], Duration::from_secs(30));
    }

    #[test]
    fn a_dependency_that_hangs_is_waited_for_as_long_again() {
        let (pace, start) = (Pace::new(), Instant::now());
        let mut told = Vec::new();
        for second in 0..100 {
            told.push(pace.until_free(start + Duration::from_secs(second) * 2, 7, 1).as_secs());
        }
        assert_eq!(told[..3], [1, 2, 4]);
        assert_eq!(told.iter().max(), Some(&30));
    }
}
