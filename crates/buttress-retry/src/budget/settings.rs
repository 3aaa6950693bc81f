//! The builder of a budget.

use buttress_core::ConfigError;

use super::{
    RetryBudget,
    bucket::{Bucket, MOST_TOKENS},
};

/// One retry for five successes: what a dependency that works carries without noticing.
const RATIO: f64 = 0.2;

/// One a second: enough for whoever calls seldom, and nothing to a server. Each client of a fleet
/// adds it to the load of a server that is down, so it is not more.
const MIN_PER_SECOND: f64 = 1.0;

/// A few failures at once, of a connection that broke for one, are all repeated. More, and an outage
/// begins with a wave of its own: in the model of the `metastable` example, the larger the burst, the
/// later the recovery, and one of 10 costs next to nothing. gRPC's throttle has 10 as well.
const BURST: u32 = 10;

/// Builds a [`RetryBudget`].
#[derive(Debug, Clone, Copy)]
pub struct RetryBudgetBuilder {
    ratio: f64,
    min_per_second: f64,
    burst: u32,
}

impl Default for RetryBudgetBuilder {
    fn default() -> Self {
        Self { ratio: RATIO, min_per_second: MIN_PER_SECOND, burst: BURST }
    }
}

impl RetryBudgetBuilder {
    /// Earns this part of a token with each first attempt that succeeds, from 0.0 to 1.0.
    /// Default: 0.2, so that a dependency which works is asked a fifth more at the most, as in
    /// Finagle and Linkerd.
    ///
    /// It counts in units of 1/65536 of a token, rounded down.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Earns so many tokens a second whatever happens, from 0.0 to 1000.0. Default: 1.0, for
    /// whoever calls seldom. Unlike the ratio it is load that a dependency which is down gets
    /// from each of its clients, and a recovery can founder on it.
    pub fn min_per_second(mut self, tokens: f64) -> Self {
        self.min_per_second = tokens;
        self
    }

    /// Keeps at most this many tokens, from 1 to 4,000, and begins with them. Default: 10, so
    /// that a few calls which fail at once, over a connection that breaks, can all be repeated. What
    /// is kept is also what an outage begins with, so more only where that is nothing to the server.
    pub fn burst(mut self, tokens: u32) -> Self {
        self.burst = tokens;
        self
    }

    /// Builds the budget.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is outside its range, or not a number.
    pub fn build(self) -> Result<RetryBudget, ConfigError> {
        self.build_with(true)
    }

    /// Builds it full, or with nothing saved.
    pub(crate) fn build_with(self, full: bool) -> Result<RetryBudget, ConfigError> {
        let Self { ratio, min_per_second, burst } = self;
        ConfigError::check_rate("ratio", ratio)?;
        if !(0.0..=1000.0).contains(&min_per_second) {
            return Err(ConfigError::new("min_per_second", min_per_second, "from 0.0 to 1000.0"));
        }
        // Where a count does not fit it is too large anyway.
        let most = usize::try_from(burst).unwrap_or(usize::MAX);
        ConfigError::check_count("burst", most, MOST_TOKENS as usize)?;
        let tokens = if full { burst } else { 0 };
        Ok(RetryBudget::new(Bucket::new(ratio, min_per_second, burst, tokens)))
    }
}
