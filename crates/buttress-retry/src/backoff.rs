//! How long to wait between two attempts.

use std::time::Duration;

use buttress_core::ConfigError;
use rand::{Rng, RngExt};

/// How the wait between attempts grows, from a base to a cap.
///
/// It gives the bound of each wait; what is waited is drawn below it by the [`Jitter`]. The
/// arithmetic saturates: no number of attempts and no setting overflows, and a cap of
/// `Duration::MAX` means no cap.
///
/// ```
/// use std::time::Duration;
/// use buttress_retry::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
/// let bounds = [0, 1, 2, 3, 4, u32::MAX].map(|n| backoff.bound(n).as_millis());
/// assert_eq!(bounds, [100, 200, 400, 800, 1000, 1000]);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    factor: f64,
}

/// How the wait is drawn below the bound that the [`Backoff`] gives.
///
/// Clients that failed together and wait equally long come back together, and fail together
/// again. Jitter spreads them. The four ways are those of Marc Brooker, "Exponential Backoff And
/// Jitter" (AWS Architecture Blog, 2015); `v` is the bound of the wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Anywhere in `0..=v`. The default: it costs the fewest calls under contention.
    #[default]
    Full,
    /// Anywhere in `v/2..=v`, for where coming back at once would be no use.
    Equal,
    /// Anywhere from the base to three times the wait before, under the cap. The factor of the
    /// backoff plays no part. It ends sooner than [`Full`](Self::Full) under contention, for
    /// more calls.
    Decorrelated,
    /// Exactly `v`: for tests, and for where only one client exists.
    None,
}

/// 100 ms to 10 s, doubling.
///
/// A tenth of a second is longer than most hiccups (a lost packet, a connection being replaced)
/// and short enough that a person who waits does not notice. Doubling is the rate that the
/// source of [`Jitter`] uses. Ten seconds is the longest that a call which is waited for should
/// be silent; with the default number of attempts it is never reached.
impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Backoff {
    /// Waits that double from `base` up to `cap`; see [`factor`](Self::factor) for another rate.
    ///
    /// The layer's builder refuses a `base` of zero and a `cap` below the base. `Duration::MAX`
    /// as `cap` means no cap.
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self { base, cap, factor: 2.0 }
    }

    /// Grows by this factor from one wait to the next. Default: 2.
    ///
    /// The layer's builder refuses one that is below 1 or not finite; with 1 the bound stays at
    /// the base.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The bound of wait number `n`, counted from 0: `min(cap, base * factor^n)`.
    pub fn bound(&self, n: u32) -> Duration {
        let seconds = self.base.as_secs_f64() * self.factor.powf(f64::from(n));
        // What can not be represented, infinity included, is beyond every cap. The base is the
        // least even where the conversion from floating point rounds below it.
        Duration::try_from_secs_f64(seconds).unwrap_or(self.cap).max(self.base).min(self.cap)
    }

    /// Draws wait number `n`, counted from 0; `previous` is the one drawn before it.
    ///
    /// Never above the cap. A pure function of its arguments, so that a simulation can drive it.
    pub fn next(
        &self,
        n: u32,
        previous: Option<Duration>,
        jitter: Jitter,
        rng: &mut dyn Rng,
    ) -> Duration {
        match jitter {
            Jitter::Full => rng.random_range(Duration::ZERO..=self.bound(n)),
            Jitter::Equal => {
                let bound = self.bound(n);
                rng.random_range(bound / 2..=bound)
            }
            Jitter::Decorrelated => {
                let least = self.base.min(self.cap);
                let most = previous.unwrap_or(self.base).saturating_mul(3).min(self.cap);
                rng.random_range(least..=most.max(least))
            }
            Jitter::None => self.bound(n),
        }
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { base, cap, factor } = *self;
        ConfigError::check_not_zero("base", base)?;
        if cap < base {
            let allowed = format!("at least the base, {base:?}");
            return Err(ConfigError::new("cap", format_args!("{cap:?}"), allowed));
        }
        if !factor.is_finite() || factor < 1.0 {
            return Err(ConfigError::new("factor", factor, "finite, and 1 or more"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use buttress_testkit::seeded;
    use proptest::prelude::*;

    use super::*;

    const JITTERS: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];

    fn backoffs() -> impl Strategy<Value = Backoff> {
        let duration = prop_oneof![
            (1..=1_000_000_u64).prop_map(Duration::from_nanos),
            (1..=100_000_u64).prop_map(Duration::from_millis),
            Just(Duration::from_nanos(1)),
            Just(Duration::MAX),
            any::<Duration>().prop_map(|any| any.max(Duration::from_nanos(1))),
        ];
        let factor = prop_oneof![Just(1.0), Just(2.0), 1.0..10.0, Just(1e300), Just(f64::MAX)];
        (duration.clone(), duration, factor)
            .prop_map(|(a, b, factor)| Backoff::exponential(a.min(b), a.max(b)).factor(factor))
    }

    fn counts() -> impl Strategy<Value = u32> {
        prop_oneof![0..12_u32, Just(u32::MAX - 1), Just(u32::MAX), any::<u32>()]
    }

    proptest! {
        /// Full in [0, v], equal in [v/2, v], decorrelated in [base, min(cap, 3 * previous)],
        /// none exactly v; and nothing above the cap.
        #[test]
        fn each_jitter_keeps_its_range(
            backoff in backoffs(),
            n in counts(),
            seed: u64,
            previous in any::<Option<Duration>>(),
        ) {
            use rand::{SeedableRng, rngs::StdRng};
            prop_assert!(backoff.check().is_ok());
            // What was drawn before lies between base and cap.
            let previous = previous.map(|p| p.clamp(backoff.base, backoff.cap));
            let mut rng = StdRng::seed_from_u64(seed);
            let v = backoff.bound(n);
            let tripled = previous.unwrap_or(backoff.base).saturating_mul(3);
            for jitter in JITTERS {
                let (least, most) = match jitter {
                    Jitter::Full => (Duration::ZERO, v),
                    Jitter::Equal => (v / 2, v),
                    Jitter::Decorrelated => (backoff.base, tripled.min(backoff.cap)),
                    Jitter::None => (v, v),
                };
                for _ in 0..8 {
                    let wait = backoff.next(n, previous, jitter, &mut rng);
                    prop_assert!((least..=most).contains(&wait), "{jitter:?} drew {wait:?}");
                    prop_assert!(wait <= backoff.cap);
                }
            }
        }

        /// Against exact arithmetic: v = min(cap, base * 2^n).
        #[test]
        fn the_bound_is_the_formula(base in 1..100_000_u32, cap in 1..u32::MAX, n in 0..40_u32) {
            let cap = cap.max(base);
            let [low, high] = [base, cap].map(|millis| Duration::from_millis(millis.into()));
            let exact = (u64::from(base) << n).min(cap.into());
            let bound = Backoff::exponential(low, high).bound(n);
            prop_assert_eq!(bound, Duration::from_millis(exact));
        }

        /// It never shrinks, begins at the base and never passes the cap.
        #[test]
        fn the_bound_only_grows(backoff in backoffs(), n in counts()) {
            let (now, next) = (backoff.bound(n), backoff.bound(n.saturating_add(1)));
            prop_assert!(backoff.base <= now && now <= next && next <= backoff.cap);
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let second = Duration::from_secs(1);
        let bound = |cap, factor, n| Backoff::exponential(second, cap).factor(factor).bound(n);
        assert_eq!(bound(Duration::MAX, 2.0, u32::MAX), Duration::MAX, "infinity is no cap");
        assert_eq!(bound(Duration::MAX, 1e300, 1), Duration::MAX);
        assert_eq!(bound(Duration::MAX, 1.0, u32::MAX), second);
        assert_eq!(bound(second, 1e300, u32::MAX), second);
        let mut rng = seeded("the_extremes_do_not_overflow");
        for jitter in JITTERS {
            let endless = Backoff::exponential(Duration::MAX, Duration::MAX);
            endless.next(u32::MAX, Some(Duration::MAX), jitter, &mut rng);
        }
    }

    /// Fed back into itself, as in a call: the range widens only by what was drawn.
    #[test]
    fn decorrelated_follows_what_it_drew() {
        let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
        let mut rng = seeded("decorrelated_follows_what_it_drew");
        let mut previous = None;
        for n in 0..1_000 {
            let wait = backoff.next(n, previous, Jitter::Decorrelated, &mut rng);
            assert!(wait >= backoff.base && wait <= backoff.cap, "{wait:?}");
            assert!(wait <= previous.unwrap_or(backoff.base) * 3, "{wait:?} after {previous:?}");
            previous = Some(wait);
        }
    }

    /// Every part of the range is as likely as any other, so the mean is half the bound.
    #[test]
    fn full_jitter_is_uniform() {
        let backoff = Backoff::default();
        let mut rng = seeded("full_jitter_is_uniform");
        let (draws, v) = (20_000, backoff.bound(3));
        let mut tenths = [0_u32; 10];
        let mut sum = Duration::ZERO;
        for _ in 0..draws {
            let wait = backoff.next(3, None, Jitter::Full, &mut rng);
            sum += wait;
            // The bound itself belongs to the last tenth.
            let tenth = wait.as_nanos() * 10 / (v.as_nanos() + 1);
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        let mean = (sum / draws).as_secs_f64() / v.as_secs_f64();
        assert!((0.49..=0.51).contains(&mean), "mean at {mean} of the bound");
        assert!(tenths.iter().all(|count| (1_800..=2_200).contains(count)), "{tenths:?}");
    }
}
