//! The time that a call has, as it was known when it began.

use tokio::time::Instant;

use crate::Deadline;

/// The time that a call has: tells one that is cut, because its time is up, from one whose caller hung
/// up.
///
/// A layer that judges calls takes it when a call begins, and asks when the call is dropped before its
/// end. A call that was cut says something about the dependency: it took too long.
#[derive(Debug, Clone, Copy)]
pub struct Allowance(Until);

#[derive(Debug, Clone, Copy)]
enum Until {
    Unknown,
    At(Deadline),
    /// It had passed before: then being cut says nothing, for the dependency had no time, and that
    /// it was used up elsewhere is not its fault.
    Passed,
}

impl Allowance {
    /// That of a call that begins now, by the ambient [`Deadline`]. The clock is read, unless one
    /// outside has just done so for the same call: see [`Deadline::begin`].
    #[inline]
    pub fn current() -> Self {
        Self(match Deadline::current() {
            None => Until::Unknown,
            Some(_) if Deadline::current_is_past() => Until::Passed,
            Some(deadline) => Until::At(deadline),
        })
    }

    /// Whether it is a limit that drops what is dropped now: its own deadline has passed, or that under
    /// which it is dropped, as when a limit on a phase of the call cuts it. Never of a call that had no
    /// time to begin with, as far as was known when its limit was set.
    pub fn is_used_up(self) -> bool {
        let own = match self.0 {
            Until::Unknown => None,
            Until::At(deadline) => Some(deadline),
            Until::Passed => return false,
        };
        Deadline::sooner(own, Deadline::current())
            .is_some_and(|deadline| deadline.is_past_at(Instant::now()))
    }
}
