//! The calls that pass while a circuit is half-open.

mod ramp;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use buttress_core::{ConfigError, Trip};
use tokio::time::Instant;

use self::ramp::Ramp;
use crate::{circuit::Ticket, settings::Settings, trip::Conditions, window::Ended};

/// The most probes at a time: more would not be a careful try any more.
const MOST_PROBES: u32 = 1_000;

/// The most successes that closing may take.
const MOST_SUCCESSES: u32 = 1_000_000;

/// The longest that letting in a growing share may take.
const LONGEST_RAMP: Duration = Duration::from_secs(24 * 3600);

/// As long as the open time: a probe that does not answer for as long as the dependency was
/// given to recover has answered.
const PROBE_LEASE: Duration = Duration::from_secs(30);

/// The bits of a probe's number that its ticket has room for.
const LOW_BITS: u64 = (1 << Ticket::PLACE_BITS) - 1;

/// How a half-open circuit finds out whether the dependency has recovered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probing {
    /// How many at a time.
    pub(crate) probes: u32,
    pub(crate) close_after: u32,
    pub(crate) lease: Duration,
    /// Over how long all calls are let in again.
    pub(crate) ramp: Option<Duration>,
}

impl Default for Probing {
    fn default() -> Self {
        Self { probes: 1, close_after: 1, lease: PROBE_LEASE, ramp: None }
    }
}

impl Probing {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_count("probes", self.probes as usize, MOST_PROBES as usize)?;
        let successes = self.close_after as usize;
        ConfigError::check_count("close_after", successes, MOST_SUCCESSES as usize)?;
        ConfigError::check_not_zero("probe_lease", self.lease)?;
        match self.ramp {
            Some(ramp) if ramp.is_zero() || ramp > LONGEST_RAMP => {
                let allowed = "longer than zero and at most a day";
                Err(ConfigError::new("ramp", format!("{ramp:?}"), allowed))
            }
            _ => Ok(()),
        }
    }
}

/// The probes of one half-open spell.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    /// Those that are out, by number, and when the lease of each ends; `None` is never.
    ///
    /// A later one never ends sooner, so the first is the first to end.
    out: BTreeMap<u64, Option<Instant>>,
    /// How many were ever sent, in all spells: numbers the next one.
    sent: u64,
    successes: u32,
    // Boxed, for most circuits never have one, and there is one circuit a key.
    ramp: Option<Box<Ramp>>,
}

/// What the circuit is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becomes {
    Open(Trip),
    Close,
}

/// What time alone brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The lease of a probe ended.
    Lost(Instant),
    /// All calls were let in, and not too many failed.
    Recovered(Instant),
}

impl Probes {
    /// Begins anew: those that are out belong to a spell that is over.
    pub(crate) fn begin(&mut self) {
        self.out.clear();
        self.successes = 0;
        self.ramp = None;
    }

    /// The number of a place, if there is one.
    pub(crate) fn admit(&mut self, probing: &Probing, now: Instant) -> Option<u64> {
        let free = self.out.len() < probing.probes as usize;
        let share = self.ramp.as_mut().is_some_and(|ramp| ramp.admits(free, now));
        let number = self.sent;
        let first = self.out.first_key_value().map_or(number, |(number, _)| *number);
        // A ticket has room for the low bits of a number, which must tell all that are out apart.
        if (!free && !share) || number - first > LOW_BITS {
            return None;
        }
        self.sent += 1;
        let last = self.out.last_key_value().and_then(|(_, ends)| *ends);
        self.out.insert(number, now.checked_add(probing.lease).max(last));
        Some(number)
    }

    /// Whether the next call has a chance to be let in.
    pub(crate) fn has_place(&self, probing: &Probing) -> bool {
        self.ramp.is_some() || self.out.len() < probing.probes as usize
    }

    /// A probe ended; of its number the low bits are enough. Whether it was still out, and its lease
    /// had not ended.
    pub(crate) fn end(&mut self, number: u64) -> bool {
        let Some((&first, _)) = self.out.first_key_value() else { return false };
        self.out.remove(&(first + (number.wrapping_sub(first) & LOW_BITS))).is_some()
    }

    /// The first lease has ended: why that opens the circuit, if it does.
    ///
    /// Of many calls some take long, so in a ramp it is one that failed.
    pub(crate) fn lose(&mut self, conditions: &Conditions) -> Option<Trip> {
        let Some(ramp) = &mut self.ramp else { return Some(Trip::ProbeLost) };
        self.out.pop_first();
        ramp.note(Ended { failed: true, slow: false }, conditions)
    }

    /// What a call that has ended brings about.
    ///
    /// A probe that failed, or was slow, says that the dependency has not recovered. Once a share of
    /// all calls is let in, some fail as they always do: then it takes what it takes while closed.
    pub(crate) fn ended(
        &mut self,
        call: Ended,
        settings: &Settings,
        now: Instant,
    ) -> Option<Becomes> {
        if let Some(ramp) = &mut self.ramp {
            return ramp.note(call, &settings.conditions).map(Becomes::Open);
        }
        match call {
            Ended { failed: true, .. } => Some(Becomes::Open(Trip::ProbeFailed)),
            // What slow calls opened, slow calls do not close.
            Ended { slow: true, .. } => Some(Becomes::Open(Trip::ProbeSlow)),
            _ => self.succeeded(&settings.probing, now).then_some(Becomes::Close),
        }
    }

    /// A probe succeeded; says whether that closes the circuit.
    fn succeeded(&mut self, probing: &Probing, now: Instant) -> bool {
        self.successes = self.successes.saturating_add(1);
        if self.successes < probing.close_after {
            return false;
        }
        let ends = probing.ramp.and_then(|ramp| now.checked_add(ramp));
        self.ramp = ends.map(|ends| Box::new(Ramp::new(now, ends)));
        self.ramp.is_none()
    }

    /// What has come with the time; a lease that ended with the ramp counts first.
    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        let lost = self.first_end().map(|at| (at, Due::Lost(at)));
        let recovered = self.ramp.as_ref().map(|ramp| (ramp.ends, Due::Recovered(ramp.ends)));
        let first = match (lost, recovered) {
            (Some(lost), Some(recovered)) if recovered.0 < lost.0 => Some(recovered),
            (lost, recovered) => lost.or(recovered),
        };
        first.filter(|(at, _)| *at <= now).map(|(_, due)| due)
    }

    /// When the first lease ends.
    pub(crate) fn first_end(&self) -> Option<Instant> {
        self.out.first_key_value().and_then(|(_, ends)| *ends)
    }

    /// How many are out.
    pub(crate) fn out(&self) -> u32 {
        u32::try_from(self.out.len()).unwrap_or(u32::MAX)
    }
}
