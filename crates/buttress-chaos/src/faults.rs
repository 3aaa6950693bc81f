//! Which faults are in force, and what one call gets of them.

use std::time::Duration;

use buttress_core::ConfigError;
use rand::{Rng, RngExt};

/// The faults that are in force, and how often each strikes.
///
/// Faults are drawn independently: with latency at 20 % and errors at 5 %, one call in a hundred
/// is both late and failed.
///
/// ```
/// use std::time::Duration;
/// use buttress_chaos::Faults;
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let faults = Faults::none().latency(0.2, Duration::from_millis(300))?.errors(0.05)?;
/// assert_ne!(faults, Faults::none());
/// assert_eq!(Faults::none().errors(5.0).unwrap_err().setting(), "errors");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    latency_rate: f64,
    delay: Duration,
    error_rate: f64,
}

impl Faults {
    /// No faults.
    pub const fn none() -> Self {
        Self { latency_rate: 0.0, delay: Duration::ZERO, error_rate: 0.0 }
    }

    /// Delays this share of the calls, from 0.0 to 1.0, by `delay`, before the inner service is
    /// asked for anything. `Duration::MAX` means that they hang until somebody cuts them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if `delay` is zero.
    pub fn latency(mut self, rate: f64, delay: Duration) -> Result<Self, ConfigError> {
        ConfigError::check_rate("latency", rate)?;
        if delay.is_zero() {
            let allowed = "longer than zero (Duration::MAX means a hang)";
            return Err(ConfigError::new("latency", "0s", allowed));
        }
        (self.latency_rate, self.delay) = (rate, delay);
        Ok(self)
    }

    /// Fails this share of the calls, from 0.0 to 1.0, without calling the inner service.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn errors(mut self, rate: f64) -> Result<Self, ConfigError> {
        ConfigError::check_rate("errors", rate)?;
        self.error_rate = rate;
        Ok(self)
    }

    /// Whether no call is ever struck.
    pub(crate) fn is_none(&self) -> bool {
        self.latency_rate <= 0.0 && self.error_rate <= 0.0
    }

    /// Draws what one call gets.
    pub(crate) fn draw(&self, rng: &mut dyn Rng) -> Injection {
        // Always as many draws: what strikes a later call, and when one fault strikes, does not
        // depend on which others are in force. From 0.0 up to but without 1.0, so that a rate of
        // zero never strikes and a rate of one always.
        let (late, failed) = (rng.random::<f64>(), rng.random::<f64>());
        Injection {
            delay: (late < self.latency_rate).then_some(self.delay),
            error: failed < self.error_rate,
        }
    }
}

/// What one call gets: nothing, or a delay, or an error, or first the one and then the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Injection {
    pub(crate) delay: Option<Duration>,
    pub(crate) error: bool,
}

#[cfg(test)]
mod tests {
    use buttress_testkit::seeded;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const DELAY: Duration = Duration::from_millis(300);

    fn trace(faults: Faults, seed: u64) -> Vec<Injection> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..50).map(|_| faults.draw(&mut rng)).collect()
    }

    proptest! {
        /// One fault strikes the same calls, whatever the rate of the other.
        #[test]
        fn the_trace_of_a_fault_is_its_own(
            seed: u64,
            latency in 0.0..=1.0_f64,
            errors in 0.0..=1.0_f64,
        ) {
            let late = Faults::none().latency(latency, DELAY).unwrap();
            let both = late.errors(errors).unwrap();
            let failed = Faults::none().errors(errors).unwrap();
            let expected: Vec<_> = trace(late, seed)
                .into_iter()
                .zip(trace(failed, seed))
                .map(|(late, failed)| Injection { delay: late.delay, error: failed.error })
                .collect();
            prop_assert_eq!(trace(both, seed), expected);
        }

        #[test]
        fn a_rate_of_zero_never_strikes_and_a_rate_of_one_always(seed: u64) {
            let never = Faults::none().latency(0.0, DELAY).unwrap().errors(0.0).unwrap();
            let always = Faults::none().latency(1.0, DELAY).unwrap().errors(1.0).unwrap();
            prop_assert!(never.is_none() && !always.is_none());
            let spared = |drawn: &Injection| *drawn == Injection::default();
            let struck = |drawn: &Injection| drawn.delay == Some(DELAY) && drawn.error;
            prop_assert!(trace(never, seed).iter().all(spared));
            prop_assert!(trace(always, seed).iter().all(struck));
        }

        #[test]
        fn rates_outside_zero_to_one_are_refused(
            rate in prop_oneof![f64::MIN..-f64::EPSILON, 1.0 + f64::EPSILON..f64::MAX, Just(f64::NAN)],
        ) {
            prop_assert_eq!(Faults::none().errors(rate).unwrap_err().setting(), "errors");
            prop_assert_eq!(Faults::none().latency(rate, DELAY).unwrap_err().setting(), "latency");
        }
    }

    #[test]
    fn a_delay_of_zero_is_refused() {
        let error = Faults::none().latency(0.5, Duration::ZERO).unwrap_err();
        assert_eq!((error.setting(), error.value()), ("latency", "0s"));
    }

    #[test]
    fn faults_strike_as_often_as_told_and_independently() {
        let faults = Faults::none().latency(0.2, DELAY).unwrap().errors(0.05).unwrap();
        let mut rng = seeded("faults_strike_as_often_as_told_and_independently");
        let (mut late, mut failed, mut both) = (0, 0, 0);
        for _ in 0..100_000 {
            let drawn = faults.draw(&mut rng);
            late += u32::from(drawn.delay.is_some());
            failed += u32::from(drawn.error);
            both += u32::from(drawn.delay.is_some() && drawn.error);
        }
        // Six standard deviations to either side.
        assert!((19_241..=20_759).contains(&late), "{late}");
        assert!((4_586..=5_414).contains(&failed), "{failed}");
        assert!((811..=1_189).contains(&both), "{both}");
    }
}
