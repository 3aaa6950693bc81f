//! How long a circuit stays open.

use std::time::Duration;

use buttress_core::ConfigError;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Long enough for a process to restart, short enough for a user to try again.
const OPEN_FOR: Duration = Duration::from_secs(30);

/// No dependency that answers at all knows that it will be away for longer than this.
const HINT_LIMIT: Duration = Duration::from_secs(300);

/// More than this a time is the longest at once.
const MOST_GROWTH: f64 = 100.0;

/// How long a circuit stays open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenTime {
    pub(crate) open_for: Duration,
    /// The factor by which it grows with each time that it was in vain, and up to where.
    pub(crate) growth: Option<(f64, Duration)>,
    /// The part of it that is left to chance.
    pub(crate) jitter: f64,
    pub(crate) hint_limit: Duration,
}

impl Default for OpenTime {
    fn default() -> Self {
        Self { open_for: OPEN_FOR, growth: None, jitter: 0.0, hint_limit: HINT_LIMIT }
    }
}

impl OpenTime {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_not_zero("open_for", self.open_for)?;
        ConfigError::check_not_zero("hint_limit", self.hint_limit)?;
        ConfigError::check_rate("open_jitter", self.jitter)?;
        let Some((factor, most)) = self.growth else { return Ok(()) };
        if !(1.0..=MOST_GROWTH).contains(&factor) {
            return Err(ConfigError::new("open_growth", factor, "from 1.0 to 100.0"));
        }
        if most < self.open_for {
            let allowed = format!("no less than `open_for`, {:?}", self.open_for);
            return Err(ConfigError::new("open_growth", format!("{most:?}"), allowed));
        }
        Ok(())
    }

    /// How long it stays open, after so many times in a row that were in vain; `None` is for ever.
    ///
    /// What the dependency itself asks for counts before all else. It is the least that it needs,
    /// so chance comes on top of it; from our own guess it is taken off, so that nobody waits
    /// longer than was configured.
    pub(crate) fn after(
        &self,
        in_vain: u32,
        hint: Option<Duration>,
        chance: u64,
    ) -> Option<Duration> {
        if let Some(hint) = hint.filter(|hint| !hint.is_zero()) {
            let spread = hint.saturating_add(scaled(hint, self.drawn(chance)));
            return finite(spread.min(self.hint_limit));
        }
        let grown = match self.growth {
            Some((factor, most)) => {
                let power = factor.powi(i32::try_from(in_vain).unwrap_or(i32::MAX));
                scaled(self.open_for, power).min(most)
            }
            None => self.open_for,
        };
        let grown = finite(grown)?;
        // Not below a nanosecond, for a circuit that opens is to be open.
        Some(grown.saturating_sub(scaled(grown, self.drawn(chance))).max(Duration::from_nanos(1)))
    }

    /// The part that chance decides on: the same for the same number.
    fn drawn(&self, chance: u64) -> f64 {
        if self.jitter == 0.0 {
            return 0.0;
        }
        self.jitter * StdRng::seed_from_u64(chance).random::<f64>()
    }
}

/// `Duration::MAX` means never.
fn finite(time: Duration) -> Option<Duration> {
    (time != Duration::MAX).then_some(time)
}

/// The product, or the longest duration where it does not fit.
fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn grows_up_to_the_longest() {
        let time =
            OpenTime { open_for: SECOND, growth: Some((2.0, 10 * SECOND)), ..OpenTime::default() };
        let times: Vec<_> =
            [0, 1, 2, 3, 4, u32::MAX].map(|in_vain| time.after(in_vain, None, 0).unwrap()).into();
        assert_eq!(times, [1, 2, 4, 8, 10, 10].map(Duration::from_secs));
        let constant = OpenTime { growth: None, ..time };
        assert_eq!(constant.after(9, None, 0), Some(SECOND));
    }

    #[test]
    fn max_is_for_ever() {
        let time = OpenTime { open_for: Duration::MAX, jitter: 1.0, ..OpenTime::default() };
        assert_eq!(time.after(0, None, 7), None);
        let growth = Some((2.0, Duration::MAX));
        let time = OpenTime { open_for: Duration::MAX, growth, ..time };
        assert_eq!(time.after(u32::MAX, None, 7), None);
    }

    proptest! {
        /// Our own guess is never exceeded, a hint never undercut but by its limit, and the same
        /// number gives the same time.
        #[test]
        fn chance_keeps_to_its_side(
            jitter in 0.0..=1.0,
            millis in 1_u64..100_000,
            limit in 1_u64..100_000,
            chance: u64,
        ) {
            let time = Duration::from_millis(millis);
            let limit = Duration::from_millis(limit);
            let open = OpenTime { open_for: time, growth: None, jitter, hint_limit: limit };
            let own = open.after(0, None, chance).unwrap();
            prop_assert!(own <= time && own >= time.mul_f64(1.0 - jitter).mul_f64(0.999_999));
            prop_assert!(!own.is_zero());
            let hinted = open.after(3, Some(time), chance).unwrap();
            prop_assert!(hinted >= time.min(limit) && hinted <= limit);
            prop_assert!(hinted <= time.mul_f64(1.0 + jitter).mul_f64(1.000_001));
            prop_assert_eq!(open.after(0, Some(Duration::ZERO), chance), Some(own));
            prop_assert_eq!(open.after(0, None, chance), Some(own));
            if jitter > 0.01 {
                let others = (1..20).map(|other| open.after(0, None, chance.wrapping_add(other)));
                prop_assert!(others.into_iter().any(|other| other != Some(own)));
            }
        }
    }
}
