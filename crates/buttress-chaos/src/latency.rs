//! How long a delay is.

#[cfg(feature = "serde")]
pub(crate) mod read;

use std::time::Duration;

use buttress_core::ConfigError;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal, Normal, Pareto};

/// How many times the usual delay the longest one is, where nothing else is said.
const TAIL: u32 = 100;

/// How long calls are delayed: always alike, or by a distribution.
///
/// A delay is never negative, and none is longer than [`at_most`](Self::at_most).
///
/// ```
/// use std::time::Duration;
/// use buttress_chaos::Latency;
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// const MILLI: Duration = Duration::from_millis(1);
/// let usual = Latency::log_normal(80 * MILLI, 0.5)?;
/// let heavy_tailed = Latency::pareto(20 * MILLI, 1.2)?.at_most(2000 * MILLI)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    shape: Shape,
    at_most: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Fixed(Duration),
    Uniform { from: Duration, to: Duration },
    Normal { mean: Duration, deviation: Duration },
    LogNormal { median: Duration, sigma: f64 },
    Pareto { least: Duration, shape: f64 },
}

impl Latency {
    /// Always this long. `Duration::MAX` means for ever.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is zero.
    pub fn fixed(delay: Duration) -> Result<Self, ConfigError> {
        longer_than_zero("latency", delay)?;
        Ok(Self::from(delay))
    }

    /// Between these two, each length as likely as the other.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `to` is not longer than `from`, or is `Duration::MAX`.
    pub fn uniform(from: Duration, to: Duration) -> Result<Self, ConfigError> {
        if from >= to || to == Duration::MAX {
            let value = format!("{from:?} to {to:?}");
            return Err(ConfigError::new("uniform", value, "from a shorter to a longer time"));
        }
        Ok(Self { shape: Shape::Uniform { from, to }, at_most: to })
    }

    /// Around a mean, as a bell; what would be less than zero is zero.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the mean or the deviation is zero.
    pub fn normal(mean: Duration, deviation: Duration) -> Result<Self, ConfigError> {
        longer_than_zero("mean", mean)?;
        longer_than_zero("deviation", deviation)?;
        Ok(Self { shape: Shape::Normal { mean, deviation }, at_most: tail(mean) })
    }

    /// As long as the median or shorter in half of the cases, with a long tail: as most services are.
    /// `sigma` is the deviation of the logarithm; with 0.5, one in a hundred is longer than three
    /// medians.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the median is zero, or if `sigma` is not a number above zero and up to 10.
    pub fn log_normal(median: Duration, sigma: f64) -> Result<Self, ConfigError> {
        longer_than_zero("median", median)?;
        within("sigma", sigma, 10.0)?;
        Ok(Self { shape: Shape::LogNormal { median, sigma }, at_most: tail(median) })
    }

    /// Never shorter than `least`, with a tail that is the heavier the smaller `shape` is: a share of
    /// k<sup>-shape</sup> is longer than k times the least.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `least` is zero, or if `shape` is not a number above zero and up to 1000.
    pub fn pareto(least: Duration, shape: f64) -> Result<Self, ConfigError> {
        longer_than_zero("least", least)?;
        within("shape", shape, 1000.0)?;
        Ok(Self { shape: Shape::Pareto { least, shape }, at_most: tail(least) })
    }

    /// Cuts longer delays down to this. Default: none that are fixed or uniform; of the others what
    /// is longer than a hundred times the mean, the median or the least.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is zero.
    pub fn at_most(mut self, at_most: Duration) -> Result<Self, ConfigError> {
        longer_than_zero("at_most", at_most)?;
        self.at_most = at_most;
        Ok(self)
    }

    /// Whether there is no delay in it at all.
    pub(crate) fn is_zero(&self) -> bool {
        self.shape == Shape::Fixed(Duration::ZERO)
    }

    /// Draws one.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Duration {
        let seconds = match self.shape {
            Shape::Fixed(delay) => return delay.min(self.at_most),
            Shape::Uniform { from, to } => {
                let share = rng.random::<f64>();
                from.as_secs_f64() + share * (to.as_secs_f64() - from.as_secs_f64())
            }
            Shape::Normal { mean, deviation } => {
                sample(Normal::new(mean.as_secs_f64(), deviation.as_secs_f64()), rng)
            }
            Shape::LogNormal { median, sigma } => {
                sample(LogNormal::new(median.as_secs_f64().ln(), sigma), rng)
            }
            Shape::Pareto { least, shape } => sample(Pareto::new(least.as_secs_f64(), shape), rng),
        };
        // What is beyond all bounds, or no number, is as long as it may be.
        let drawn = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        let least = match self.shape {
            // What is rounded must not lead out of the range.
            Shape::Uniform { from, .. } => from,
            Shape::Pareto { least, .. } => least,
            _ => Duration::ZERO,
        };
        drawn.max(least).min(self.at_most)
    }
}

/// A delay that is always alike.
impl From<Duration> for Latency {
    fn from(delay: Duration) -> Self {
        Self { shape: Shape::Fixed(delay), at_most: Duration::MAX }
    }
}

/// Parameters were checked when they were given.
fn sample<D: Distribution<f64>, E>(distribution: Result<D, E>, rng: &mut impl Rng) -> f64 {
    distribution.map_or(f64::INFINITY, |distribution| distribution.sample(rng))
}

fn tail(usual: Duration) -> Duration {
    usual.saturating_mul(TAIL)
}

fn longer_than_zero(setting: &'static str, value: Duration) -> Result<(), ConfigError> {
    if value.is_zero() {
        return Err(ConfigError::new(setting, "0s", "longer than zero (Duration::MAX: for ever)"));
    }
    Ok(())
}

fn within(setting: &'static str, value: f64, most: f64) -> Result<(), ConfigError> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(ConfigError::new(setting, value, format!("above 0 and up to {most}")))
}

#[cfg(test)]
mod tests {
    use buttress_testkit::seeded;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn any_latency() -> impl Strategy<Value = Latency> {
        let time = || (1..10_u64.pow(13)).prop_map(Duration::from_nanos);
        prop_oneof![
            time().prop_map(|delay| Latency::fixed(delay).unwrap()),
            (time(), time()).prop_map(|(a, b)| Latency::uniform(a, a + b).unwrap()),
            (time(), time()).prop_map(|(a, b)| Latency::normal(a, b).unwrap()),
            (time(), 0.001..=10.0_f64).prop_map(|(a, s)| Latency::log_normal(a, s).unwrap()),
            (time(), 0.001..=1000.0_f64).prop_map(|(a, s)| Latency::pareto(a, s).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn no_delay_is_above_the_most_and_each_is_in_its_range(
            latency in any_latency(),
            at_most in (1..10_u64.pow(13)).prop_map(Duration::from_nanos),
            seed: u64,
        ) {
            let mut rng = StdRng::seed_from_u64(seed);
            for _ in 0..20 {
                let drawn = latency.draw(&mut rng);
                match latency.shape {
                    Shape::Fixed(delay) => prop_assert_eq!(drawn, delay),
                    Shape::Uniform { from, to } => prop_assert!((from..=to).contains(&drawn)),
                    Shape::Pareto { least, .. } => prop_assert!((least..=100 * least).contains(&drawn)),
                    Shape::Normal { mean: usual, .. } | Shape::LogNormal { median: usual, .. } => {
                        prop_assert!(drawn <= 100 * usual);
                    }
                }
                prop_assert!(latency.at_most(at_most).unwrap().draw(&mut rng) <= at_most);
            }
        }

        #[test]
        fn what_is_no_distribution_is_refused(
            number in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), f64::MIN..=0.0, 1000.1..f64::MAX],
        ) {
            let second = Duration::from_secs(1);
            prop_assert_eq!(Latency::log_normal(second, number).unwrap_err().setting(), "sigma");
            prop_assert_eq!(Latency::pareto(second, number).unwrap_err().setting(), "shape");
        }
    }

    /// Which share of many draws is up to this.
    fn share(latency: Latency, test: &str, up_to: Duration) -> f64 {
        let mut rng = seeded(test);
        let count = (0..20_000).filter(|_| latency.draw(&mut rng) <= up_to).count();
        count as f64 / 20_000.0
    }

    /// Six standard deviations of a share of 20,000 are at most 0.022.
    #[test]
    fn delays_are_distributed_as_told() {
        const TEST: &str = "delays_are_distributed_as_told";
        let milli = Duration::from_millis;
        let uniform = Latency::uniform(milli(100), milli(300)).unwrap();
        let normal = Latency::normal(milli(200), milli(50)).unwrap();
        let log_normal = Latency::log_normal(milli(80), 0.5).unwrap();
        let pareto = Latency::pareto(milli(20), 1.2).unwrap();
        for (latency, up_to, expected) in [
            (uniform, milli(150), 0.25),
            (normal, milli(200), 0.5),
            (normal, milli(250), 0.8413),
            (log_normal, milli(80), 0.5),
            (log_normal, milli(256), 0.99),
            (pareto, milli(40), 1.0 - 2_f64.powf(-1.2)),
            (pareto, milli(200), 1.0 - 10_f64.powf(-1.2)),
        ] {
            let share = share(latency, TEST, up_to);
            assert!((share - expected).abs() < 0.022, "{latency:?} up to {up_to:?}: {share}");
        }
    }

    #[test]
    fn times_without_length_are_refused() {
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        for (latency, setting) in [
            (Latency::fixed(zero), "latency"),
            (Latency::uniform(second, second), "uniform"),
            (Latency::uniform(second, Duration::MAX), "uniform"),
            (Latency::normal(zero, second), "mean"),
            (Latency::normal(second, zero), "deviation"),
            (Latency::log_normal(zero, 1.0), "median"),
            (Latency::pareto(zero, 1.0), "least"),
            (Latency::from(second).at_most(zero), "at_most"),
        ] {
            assert_eq!(latency.unwrap_err().setting(), setting);
        }
    }
}
