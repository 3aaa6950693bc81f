//! How long to wait between two attempts.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::ConfigError;
use rand::{Rng, RngExt};

use crate::Jitter;

/// How the wait between attempts grows, up to a cap.
///
/// It gives the bound of each wait; what is waited is drawn below it by the [`Jitter`]. The
/// arithmetic saturates: no number of attempts and no setting overflows, and a cap of
/// `Duration::MAX` means no cap.
///
/// ```
/// use std::time::Duration;
/// use buttress_retry::Backoff;
///
/// let ms = Duration::from_millis;
/// let bounds = |backoff: Backoff| [0, 1, 2, 3, 4, u32::MAX].map(|n| backoff.bound(n).as_millis());
/// let exponential = Backoff::exponential(ms(100), ms(1_000));
/// assert_eq!(bounds(exponential), [100, 200, 400, 800, 1000, 1000]);
/// let linear = Backoff::linear(ms(100), ms(1_000));
/// assert_eq!(bounds(linear), [100, 200, 300, 400, 500, 1000]);
/// ```
#[derive(Clone)]
pub struct Backoff {
    growth: Growth,
    base: Duration,
    cap: Duration,
    /// For exponential waits alone.
    factor: f64,
}

#[derive(Clone)]
enum Growth {
    Exponential,
    Linear,
    Function(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
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
        Self { growth: Growth::Exponential, base, cap, factor: 2.0 }
    }

    /// Waits that grow by `base` each time, up to `cap`: `base`, twice, three times `base`, …
    ///
    /// Bounds as for [`exponential`](Self::exponential).
    pub const fn linear(base: Duration, cap: Duration) -> Self {
        Self { growth: Growth::Linear, base, cap, factor: 2.0 }
    }

    /// Waits that do not grow. The layer's builder refuses a `wait` of zero.
    pub const fn constant(wait: Duration) -> Self {
        Self::linear(wait, wait)
    }

    /// Waits by a function of their number, counted from 0, up to `cap`; a wait of zero is no
    /// wait.
    ///
    /// It is asked once per wait, and once here, for what it gives for 0 is the base of
    /// [`Jitter::Decorrelated`]; with that the layer's builder refuses a base of zero, and always a
    /// cap of zero.
    pub fn function(wait: impl Fn(u32) -> Duration + Send + Sync + 'static, cap: Duration) -> Self {
        let base = wait(0).min(cap);
        Self { growth: Growth::Function(Arc::new(wait)), base, cap, factor: 2.0 }
    }

    /// Grows by this factor from one wait to the next. Default: 2. It changes exponential waits
    /// alone.
    ///
    /// The layer's builder refuses one that is below 1 or not finite; with 1 the bound stays at
    /// the base.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The bound of wait number `n`, counted from 0: for exponential waits
    /// `min(cap, base * factor^n)`, for linear ones `min(cap, base * (n + 1))`.
    pub fn bound(&self, n: u32) -> Duration {
        match &self.growth {
            Growth::Exponential => {
                let seconds = self.base.as_secs_f64() * self.factor.powf(f64::from(n));
                // What can not be represented, infinity included, is beyond every cap. The base
                // is the least even where the conversion from floating point rounds below it.
                let bound = Duration::try_from_secs_f64(seconds).unwrap_or(self.cap);
                bound.max(self.base).min(self.cap)
            }
            Growth::Linear => self.base.saturating_mul(n.saturating_add(1)).min(self.cap),
            Growth::Function(wait) => wait(n).min(self.cap),
        }
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
        self.draw(self.bound(n), previous, jitter, rng)
    }

    /// Draws a wait of this bound.
    pub(crate) fn draw(
        &self,
        bound: Duration,
        previous: Option<Duration>,
        jitter: Jitter,
        rng: &mut dyn Rng,
    ) -> Duration {
        match jitter {
            Jitter::Full => rng.random_range(Duration::ZERO..=bound),
            Jitter::Equal => rng.random_range(bound / 2..=bound),
            Jitter::Decorrelated => {
                let least = self.base.min(self.cap);
                let most = previous.unwrap_or(self.base).saturating_mul(3).min(self.cap);
                rng.random_range(least..=most.max(least))
            }
            Jitter::None => bound,
        }
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self, jitter: Jitter) -> Result<(), ConfigError> {
        let Self { growth, base, cap, factor } = self;
        if !factor.is_finite() || *factor < 1.0 {
            return Err(ConfigError::new("factor", factor, "finite, and 1 or more"));
        }
        ConfigError::check_not_zero("cap", *cap)?;
        if !matches!(growth, Growth::Function(_)) || jitter == Jitter::Decorrelated {
            ConfigError::check_not_zero("base", *base)?;
        }
        if cap < base {
            let allowed = format!("at least the base, {base:?}");
            return Err(ConfigError::new("cap", format_args!("{cap:?}"), allowed));
        }
        Ok(())
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { growth, base, cap, factor } = self;
        match growth {
            Growth::Exponential => {
                let mut debug = f.debug_struct("Exponential");
                debug.field("base", base).field("factor", factor).field("cap", cap).finish()
            }
            Growth::Linear => {
                f.debug_struct("Linear").field("base", base).field("cap", cap).finish()
            }
            Growth::Function(_) => {
                f.debug_struct("Function").field("cap", cap).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests;
