//! When a circuit opens, and why.

use std::time::Duration;

use buttress_core::{ConfigError, Trip};

use crate::{
    Window,
    window::{Counts, Ended},
};

/// The most failures in a row that can be asked for.
pub(crate) const MOST_FAILURES: u32 = 1_000_000;

/// Five calls in a row do not fail by accident: at a failure rate of 1 % that is one in 10^10.
const CONSECUTIVE_FAILURES: u32 = 5;

/// Half of them do not fail by accident: at a failure rate of 5 % that is one in 10^8. resilience4j and
/// Envoy wait for 100, which a small service may not see in an hour.
const MIN_CALLS: u32 = 20;

/// What opens a circuit: any of these.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Conditions {
    pub(crate) consecutive_failures: Option<u32>,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_call_rate: Option<f64>,
    /// From when on a call is slow.
    pub(crate) slower_than: Option<Duration>,
    pub(crate) window: Option<Window>,
    pub(crate) min_calls: Option<u32>,
}

impl Conditions {
    /// The conditions with what was not said filled in, or which of them makes no sense.
    pub(crate) fn complete(mut self) -> Result<Self, ConfigError> {
        if !self.has_rate() && self.consecutive_failures.is_none() {
            self.consecutive_failures = Some(CONSECUTIVE_FAILURES);
        }
        if let Some(failures) = self.consecutive_failures {
            let most = MOST_FAILURES as usize;
            ConfigError::check_count("consecutive_failures", failures as usize, most)?;
        }
        for (setting, rate) in
            [("failure_rate", self.failure_rate), ("slow_call_rate", self.slow_call_rate)]
        {
            if let Some(rate) = rate.filter(|rate| !(*rate > 0.0 && *rate <= 1.0)) {
                return Err(ConfigError::new(setting, rate, "above 0.0 and at most 1.0"));
            }
        }
        if let Some(time) = self.slower_than {
            ConfigError::check_not_zero("slow_call_rate", time)?;
        }
        let window = self.window.unwrap_or(Window::last_calls(100));
        window.check()?;
        let most = window.most_calls().unwrap_or(u32::MAX);
        let min_calls = self.min_calls.unwrap_or(MIN_CALLS.min(most));
        ConfigError::check_count("min_calls", min_calls as usize, most as usize)?;
        if !self.has_rate() {
            let allowed = "set only with `failure_rate` or `slow_call_rate`";
            if self.window.is_some() {
                return Err(ConfigError::new("window", window, allowed));
            }
            if self.min_calls.is_some() {
                return Err(ConfigError::new("min_calls", min_calls, allowed));
            }
        }
        self.window = self.has_rate().then_some(window);
        self.min_calls = Some(min_calls);
        Ok(self)
    }

    fn has_rate(&self) -> bool {
        self.failure_rate.is_some() || self.slow_call_rate.is_some()
    }

    /// Whether a call that took so long was slow.
    pub(crate) fn is_slow(&self, took: Option<Duration>) -> bool {
        took.zip(self.slower_than).is_some_and(|(took, most)| took > most)
    }

    /// Whether so many failures in a row open the circuit.
    pub(crate) fn by_row(&self, failures: u32) -> Option<Trip> {
        let most = self.consecutive_failures?;
        (failures >= most).then_some(Trip::ConsecutiveFailures(failures))
    }

    /// Whether this call opens the circuit, which has left the window like this.
    ///
    /// Only a call that adds to a rate does: a good one opens nothing, though with it enough may
    /// have been seen.
    pub(crate) fn by_rate(&self, ended: Ended, counts: Counts) -> Option<Trip> {
        let Counts { calls, failed, slow } = counts;
        if calls < u64::from(self.min_calls.unwrap_or(1)) {
            return None;
        }
        // A quotient is compared, for it is rounded as the setting was: 11 of 20 are 0.55.
        let reaches = |count: u64, rate: Option<f64>| {
            rate.is_some_and(|rate| count as f64 / calls as f64 >= rate)
        };
        if ended.failed && reaches(failed, self.failure_rate) {
            return Some(Trip::FailureRate { failed, calls });
        }
        (ended.slow && reaches(slow, self.slow_call_rate))
            .then_some(Trip::SlowCallRate { slow, calls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(conditions: Conditions, calls: u64, failed: u64) -> bool {
        let ended = Ended { failed: true, slow: false };
        conditions.by_rate(ended, Counts { calls, failed, slow: 0 }).is_some()
    }

    /// Neither sooner nor later than a hundredth says, whatever binary fractions make of it.
    #[test]
    fn a_rate_is_met_exactly() {
        for hundredths in 1..=100_u32 {
            let conditions = Conditions {
                failure_rate: Some(f64::from(hundredths) / 100.0),
                min_calls: Some(1),
                ..Conditions::default()
            };
            for calls in 1..=400_u64 {
                let least = (u64::from(hundredths) * calls).div_ceil(100);
                assert!(trips(conditions, calls, least), "{least} of {calls} at {hundredths} %");
                assert!(!trips(conditions, calls, least - 1), "{least} - 1 of {calls}");
            }
        }
    }

    #[test]
    fn a_good_call_opens_nothing() {
        let conditions = Conditions {
            failure_rate: Some(0.5),
            slow_call_rate: Some(0.5),
            min_calls: Some(2),
            ..Conditions::default()
        };
        let counts = Counts { calls: 2, failed: 1, slow: 1 };
        let by = |failed, slow| conditions.by_rate(Ended { failed, slow }, counts);
        assert_eq!(by(false, false), None);
        assert_eq!(by(true, false), Some(Trip::FailureRate { failed: 1, calls: 2 }));
        assert_eq!(by(false, true), Some(Trip::SlowCallRate { slow: 1, calls: 2 }));
    }

    /// Consecutive failures are the default, and only as long as nothing else is asked for.
    #[test]
    fn what_is_asked_for_is_all_there_is() {
        let complete = |conditions: Conditions| conditions.complete().unwrap();
        let default = complete(Conditions::default());
        assert_eq!((default.consecutive_failures, default.window), (Some(5), None));
        let rate = Conditions { failure_rate: Some(0.5), ..Conditions::default() };
        let completed = complete(rate);
        assert_eq!((completed.consecutive_failures, completed.min_calls), (None, Some(20)));
        assert_eq!(completed.window, Some(Window::last_calls(100)));
        let few = complete(Conditions { window: Some(Window::last_calls(7)), ..rate });
        assert_eq!(few.min_calls, Some(7), "no more than it can hold");
    }
}
