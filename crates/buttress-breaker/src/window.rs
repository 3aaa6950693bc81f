//! The calls that a rate is taken over.
//!
//! Both windows are kept in atomics, take one step a call however many they hold, and never mix
//! the calls of one closed spell of the circuit with those of another.

mod buckets;
mod ring;

use std::{fmt, time::Duration};

use buttress_core::ConfigError;
use tokio::time::Instant;

use self::{buckets::Buckets, ring::Ring};

/// The most calls that a window can be made to hold: 40 KB of them.
const MOST_CALLS: u32 = 10_000;

/// The shortest time that a window can span: the tenths of a shorter one hold a handful of calls.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest, for what happened yesterday says nothing.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The calls that a rate is taken over, for
/// [`BreakerLayerBuilder::window`](crate::BreakerLayerBuilder::window).
///
/// Each call is counted when it ends, and neutral ones not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(Span);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Calls(u32),
    Time(Duration),
}

/// The calls in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

/// What a window is told of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

impl Window {
    /// The last so many calls, from 1 to 10,000, to the call.
    ///
    /// What traffic there is decides how far it looks back: right for one that comes and goes.
    /// Four bytes a call.
    pub const fn last_calls(calls: u32) -> Self {
        Self(Span::Calls(calls))
    }

    /// The calls that ended in the last so much time, from 100 ms to a day.
    ///
    /// It is kept in tenths, so what is forgotten is between nine and ten of them old. Its size
    /// does not depend on the traffic.
    pub const fn last(time: Duration) -> Self {
        Self(Span::Time(time))
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        match self.0 {
            Span::Calls(calls) => {
                ConfigError::check_count("window", calls as usize, MOST_CALLS as usize)
            }
            Span::Time(time) if (SHORTEST..=LONGEST).contains(&time) => Ok(()),
            Span::Time(time) => {
                Err(ConfigError::new("window", format!("{time:?}"), "from 100 ms to a day"))
            }
        }
    }

    /// The most calls that it can hold, if that is bounded.
    pub(crate) const fn most_calls(self) -> Option<u32> {
        match self.0 {
            Span::Calls(calls) => Some(calls),
            Span::Time(_) => None,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Span::Calls(calls) => write!(f, "the last {calls} calls"),
            Span::Time(time) => write!(f, "the last {time:?}"),
        }
    }
}

/// A window at work.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is in a box")]
pub(crate) enum Record {
    Calls(Ring),
    Time(Buckets),
}

impl Record {
    /// An empty one; time counts from `start`.
    pub(crate) fn new(window: Window, start: Instant) -> Self {
        match window.0 {
            Span::Calls(calls) => Self::Calls(Ring::new(calls)),
            Span::Time(time) => Self::Time(Buckets::new(time, start)),
        }
    }

    /// Notes a call of this spell, and returns what is then in the window, if the call speaks
    /// against the dependency; `None` too if the spell is over, or the call came too late to count.
    ///
    /// `is_current` says whether the spell still lasts; it is to be over, by what that says,
    /// before the window is [cleared](Self::clear).
    pub(crate) fn note(
        &self,
        ended: Ended,
        spell: u64,
        is_current: impl Fn() -> bool,
        now: impl FnOnce() -> Instant,
    ) -> Option<Counts> {
        match self {
            Self::Calls(ring) => ring.note(ended, is_current),
            Self::Time(buckets) => buckets.note(ended, spell, now()),
        }
        .filter(|_| ended.failed || ended.slow)
    }

    /// What is in the window for this spell.
    pub(crate) fn counts(&self, spell: u64, now: impl FnOnce() -> Instant) -> Counts {
        match self {
            Self::Calls(ring) => ring.counts(),
            Self::Time(buckets) => buckets.counts(spell, now()),
        }
    }

    /// Forgets every call, as a spell is over.
    pub(crate) fn clear(&self) {
        match self {
            Self::Calls(ring) => ring.clear(),
            // The tenths of another spell do not count anyway.
            Self::Time(_) => {}
        }
    }
}
