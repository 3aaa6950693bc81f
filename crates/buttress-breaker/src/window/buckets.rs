//! The calls of the last so much time, in tenths of it.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Counts, Ended};

/// In how many parts the time is cut: so exact is what is forgotten.
const PARTS: u32 = 10;

const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// How far behind another call one may be that has read the clock first and counts itself
/// late: three hours, in parts of 10 ms, the shortest.
const LATE: u32 = 1 << 20;

/// The calls of the last so much time.
///
/// Each count carries the number of the part of time that it is for. The numbers of another spell
/// are two whole windows away: its calls can not be taken for those of this one, whoever
/// comes late to count them.
#[derive(Debug)]
pub(crate) struct Buckets {
    start: Instant,
    /// Nanoseconds of one part.
    width: u64,
    parts: [Bucket; PARTS as usize],
}

/// The calls of one part of time.
#[derive(Debug, Default)]
struct Bucket {
    calls: Tally,
    failed: Tally,
    slow: Tally,
}

/// A count, and the number of the part that it is for.
#[derive(Debug)]
struct Tally(AtomicU64);

// Loom's have no default.
impl Default for Tally {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Buckets {
    pub(super) fn new(time: Duration, start: Instant) -> Self {
        Self { start, width: nanos(time / PARTS).max(1), parts: Default::default() }
    }

    /// Notes a call that ended now, and returns what is then in the window; `None` if it comes
    /// later than the whole window is long, or if it was a good one.
    pub(super) fn note(&self, ended: Ended, spell: u64, now: Instant) -> Option<Counts> {
        let part = self.part(now);
        let number = number(part, spell);
        let bucket = &self.parts[Self::index(part)];
        // In this order, so that nobody sees more failures than calls.
        if !bucket.calls.add(number) {
            return None;
        }
        if ended.failed {
            bucket.failed.add(number);
        }
        if ended.slow {
            bucket.slow.add(number);
        }
        // Of interest only after a call that speaks against the dependency.
        (ended.failed || ended.slow).then(|| self.sum(number))
    }

    pub(super) fn counts(&self, spell: u64, now: Instant) -> Counts {
        self.sum(number(self.part(now), spell))
    }

    fn sum(&self, number: u32) -> Counts {
        let mut counts = Counts::default();
        for bucket in &self.parts {
            let (failed, slow) = (bucket.failed.load(), bucket.slow.load());
            // Read after those, so that there are no fewer calls.
            let (part, calls) = bucket.calls.load();
            if number.wrapping_sub(part) < PARTS {
                // What is still of an earlier part went with its calls, whose count is taken over.
                let of_part = |(of, count)| if of == part { u64::from(count) } else { 0 };
                counts.failed += of_part(failed);
                counts.slow += of_part(slow);
                counts.calls += u64::from(calls);
            }
        }
        counts
    }

    fn part(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start)) / self.width
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the parts")]
    const fn index(part: u64) -> usize {
        (part % PARTS as u64) as usize
    }
}

/// The number of a part in this spell. Two windows further for each, so that those of two spells
/// are in nobody's window, though he be a whole one behind.
#[expect(clippy::cast_possible_truncation, reason = "numbers begin anew after a year or more")]
const fn number(part: u64, spell: u64) -> u32 {
    part.wrapping_add(spell.wrapping_mul(2 * PARTS as u64)) as u32
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Tally {
    /// Counts one for this part; false if the count is of a later part already.
    fn add(&self, number: u32) -> bool {
        let mut bits = self.0.load(Ordering::Acquire);
        loop {
            let (found, count) = Self::unpack(bits);
            let count = match found.wrapping_sub(number) {
                0 => count.saturating_add(1),
                1..LATE => return false,
                _ => 1,
            };
            let next = (u64::from(number) << COUNT_BITS) | u64::from(count);
            match self.0.compare_exchange_weak(bits, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(found) => bits = found,
            }
        }
    }

    /// The part that it is for, and the count.
    fn load(&self) -> (u32, u32) {
        Self::unpack(self.0.load(Ordering::Acquire))
    }

    const fn unpack(bits: u64) -> (u32, u32) {
        ((bits >> COUNT_BITS) as u32, (bits & COUNT_MASK) as u32)
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
