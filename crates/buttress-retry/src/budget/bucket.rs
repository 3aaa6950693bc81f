//! A bucket of tokens, filled by successes and by time, in one atomic word.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The most tokens that a bucket can be made for; the word has room for a few more.
pub(super) const MOST_TOKENS: u32 = 4_000;

/// One token, in the units that are counted: in fractions, for 0.6 is not 1.
const TOKEN: u64 = 1 << 16;

const TOKENS_BITS: u32 = 28;
const MILLIS_BITS: u32 = u64::BITS - TOKENS_BITS;
const TOKENS_MASK: u64 = (1 << TOKENS_BITS) - 1;
const MILLIS_MASK: u64 = (1 << MILLIS_BITS) - 1;

/// How far back a time may lie and still be told from one after the count of milliseconds began
/// anew, as it does every two years: 24 days, for one who read the clock, and then came here late.
const STALE: u64 = 1 << 31;

/// A bucket of tokens.
///
/// The word holds the tokens as they were at one millisecond, and that millisecond. What time adds
/// is found when a token is asked for, so a deposit needs no clock. Only a withdrawal that
/// succeeds moves the millisecond, so what is rounded down is lost once per token, and not once
/// per question.
#[derive(Debug)]
pub(super) struct Bucket {
    word: AtomicU64,
    /// What a success adds, in units.
    deposit: u64,
    /// What a second adds, in units.
    per_second: u64,
    /// The most that is kept, in units.
    most: u64,
}

/// The units that were there at a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    units: u64,
    millis: u64,
}

impl Level {
    const fn from_bits(bits: u64) -> Self {
        Self { units: bits & TOKENS_MASK, millis: bits >> TOKENS_BITS }
    }

    const fn bits(self) -> u64 {
        (self.millis << TOKENS_BITS) | self.units
    }
}

impl Bucket {
    /// A bucket that holds at most `most` tokens, and now `tokens`; the settings were checked.
    pub(super) fn new(ratio: f64, per_second: f64, most: u32, tokens: u32) -> Self {
        let level = Level { units: u64::from(tokens) * TOKEN, millis: 0 };
        Self {
            word: AtomicU64::new(level.bits()),
            deposit: units(ratio),
            per_second: units(per_second),
            most: u64::from(most) * TOKEN,
        }
    }

    /// Adds what a success earns.
    pub(super) fn deposit(&self) {
        self.add(self.deposit);
    }

    /// Adds a token that was withdrawn.
    pub(super) fn give_back(&self) {
        self.add(TOKEN);
    }

    /// Takes a token, if there is one at this millisecond.
    pub(super) fn withdraw(&self, millis: u64) -> bool {
        self.update(|level| {
            let Level { units, millis } = self.at(level, millis);
            Some(Level { units: units.checked_sub(TOKEN)?, millis })
        })
    }

    /// The tokens that are there at this millisecond.
    pub(super) fn tokens(&self, millis: u64) -> f64 {
        let level = Level::from_bits(self.word.load(Ordering::Relaxed));
        self.at(level, millis).units as f64 / TOKEN as f64
    }

    fn add(&self, units: u64) {
        self.update(|level| {
            let added = (level.units + units).min(self.most);
            (added != level.units).then_some(Level { units: added, millis: level.millis })
        });
    }

    /// The level at this millisecond, with what time has added.
    fn at(&self, level: Level, millis: u64) -> Level {
        let now = millis & MILLIS_MASK;
        let elapsed = now.wrapping_sub(level.millis) & MILLIS_MASK;
        // One who read the clock later was here before: no time is added twice.
        if elapsed > MILLIS_MASK - STALE {
            return level;
        }
        let added = elapsed.saturating_mul(self.per_second) / 1000;
        Level { units: level.units.saturating_add(added).min(self.most), millis: now }
    }

    /// Changes the level; false if `change` wants no change. Nothing else is read or written with
    /// the word, so no order is asked for.
    fn update(&self, change: impl Fn(Level) -> Option<Level>) -> bool {
        let mut bits = self.word.load(Ordering::Relaxed);
        while let Some(next) = change(Level::from_bits(bits)) {
            let exchanged = self.word.compare_exchange_weak(
                bits,
                next.bits(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match exchanged {
                Ok(_) => return true,
                Err(found) => bits = found,
            }
        }
        false
    }
}

/// Whole units, rounded down: never more than was asked for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked by the builder"
)]
fn units(tokens: f64) -> u64 {
    (tokens * TOKEN as f64) as u64
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
