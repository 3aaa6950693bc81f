//! How many calls at once: a figure, or what learns one.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Outcome};

use crate::counts::MOST;

/// Says how many calls may be in flight at once, and learns from each that has ended.
///
/// This is the pure part of an adaptive limit: it reads no clock and knows no service. It is told of
/// the calls of one compartment in the order in which they end, one at a time, and of none that was not
/// made.
///
/// A limit outside 1 to 1,000,000 is taken for the nearest within. When it shrinks, no call in flight
/// is touched: places that come back are free again only when there are fewer in flight. When it grows,
/// those who wait are let in at once.
///
/// ```
/// use buttress_bulkhead::{BulkheadLayer, Limit, Sample};
/// use buttress_core::Outcome;
///
/// /// Additive increase, multiplicative decrease.
/// #[derive(Clone)]
/// struct Aimd(usize);
///
/// impl Limit for Aimd {
///     fn current(&self) -> usize {
///         self.0
///     }
///
///     fn learn(&mut self, sample: &Sample) {
///         match sample.outcome {
///             Outcome::Failure => self.0 = (self.0 / 2).max(1),
///             // Only a limit that was reached says anything about one that is higher.
///             Outcome::Success if sample.in_flight >= self.0 => self.0 = (self.0 + 1).min(200),
///             _ => {}
///         }
///     }
/// }
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let layer = BulkheadLayer::builder().limit(Aimd(20)).build()?;
/// assert_eq!(layer.handle().limit(), 20);
/// # Ok(())
/// # }
/// ```
pub trait Limit: Send + 'static {
    /// The limit now.
    fn current(&self) -> usize;

    /// Learns from a call that has ended, on whose thread this runs. The place of the call comes back
    /// right after.
    ///
    /// One at a time learns, so it should be quick; and it must neither panic nor make or end calls of
    /// the bulkhead that it is the limit of, nor set its limit.
    fn learn(&mut self, sample: &Sample);

    /// Whether it ever learns: if not, no call is measured for it. Default: yes.
    fn learns(&self) -> bool {
        true
    }
}

/// A limit that stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(pub usize);

impl Limit for Fixed {
    fn current(&self) -> usize {
        self.0
    }

    fn learn(&mut self, _sample: &Sample) {}

    fn learns(&self) -> bool {
        false
    }
}

/// What a call that has ended says to a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// From when the inner service was asked to the end of the response. A reader who takes his time is
    /// in it; a wait for the place is not.
    pub latency: Duration,
    /// How many calls were in flight when it ended, itself included.
    pub in_flight: usize,
    /// What it says about the dependency, as its protocol judges. [`Failure`](Outcome::Failure) as well
    /// if a limit outside cut it, or it panicked; [`Neutral`](Outcome::Neutral) if a layer inside refused
    /// it, or its caller hung up: its latency says nothing then.
    pub outcome: Outcome,
}

/// What each compartment gets its own limit from.
#[derive(Clone)]
pub(crate) struct LimitSource {
    setting: &'static str,
    make: Arc<dyn Fn() -> Box<dyn Limit> + Send + Sync>,
}

impl LimitSource {
    /// Clones of this one, which was given as this setting.
    pub(crate) fn new(setting: &'static str, limit: impl Limit + Clone + Sync) -> Self {
        Self { setting, make: Arc::new(move || Box::new(limit.clone())) }
    }

    pub(crate) fn make(&self) -> Box<dyn Limit> {
        (self.make)()
    }

    /// Refuses one that begins outside the range.
    pub(crate) fn check(&self) -> Result<usize, ConfigError> {
        let limit = self.make().current();
        ConfigError::check_count(self.setting, limit, MOST)?;
        Ok(limit)
    }
}

impl fmt::Debug for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limit").field(&self.make().current()).finish()
    }
}
