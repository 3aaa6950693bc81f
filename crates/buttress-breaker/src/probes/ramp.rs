//! How all calls are let in again.

use buttress_core::Trip;
use tokio::time::Instant;

use crate::{
    trip::Conditions,
    window::{Counts, Ended},
};

/// A growing share of all calls is let in.
#[derive(Debug)]
pub(super) struct Ramp {
    since: Instant,
    pub(super) ends: Instant,
    /// The calls that the share has come to and that were not let in yet.
    owed: f64,
    /// Those that have ended, and how many of the last in a row failed.
    ended: Counts,
    row: u32,
}

impl Ramp {
    pub(super) const fn new(since: Instant, ends: Instant) -> Self {
        let ended = Counts { calls: 0, failed: 0, slow: 0 };
        Self { since, ends, owed: 0.0, ended, row: 0 }
    }

    /// Notes a call that has ended, and whether that is too much.
    pub(super) fn note(&mut self, call: Ended, conditions: &Conditions) -> Option<Trip> {
        self.ended.calls += 1;
        self.ended.failed += u64::from(call.failed);
        self.ended.slow += u64::from(call.slow);
        self.row = if call.failed { self.row.saturating_add(1) } else { 0 };
        conditions.by_rate(call, self.ended).or_else(|| conditions.by_row(self.row))
    }

    /// Notes that a call has come, and whether it is one of the share. One that has a place
    /// anyway is taken off the share, too.
    pub(super) fn admits(&mut self, has_place: bool, now: Instant) -> bool {
        let whole = self.ends.saturating_duration_since(self.since).as_secs_f64();
        let gone = now.saturating_duration_since(self.since).as_secs_f64();
        self.owed += (gone / whole).min(1.0);
        let is_owed = self.owed >= 1.0;
        if is_owed || has_place {
            self.owed = (self.owed - 1.0).max(0.0);
        }
        is_owed
    }
}
