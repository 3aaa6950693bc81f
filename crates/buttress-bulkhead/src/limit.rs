//! How many calls at once: a figure, or what learns one.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Judgement};
use tokio::time::Instant;

use crate::counts::MOST;

/// Says how many calls may be in flight at once, and learns from each that has ended.
///
/// This is the pure part of an adaptive limit: it reads no clock and knows no service. It is told of
/// the calls of one compartment as they end, one at a time, and of none that its bulkhead did not make.
/// Each compartment, and each that is isolated from it, begins with a clone of the one that was given.
///
/// A limit outside 1 to 1,000,000 is taken for the nearest within. When it shrinks, no call in flight
/// is touched: places that come back are free again only when there are fewer in flight. When it grows,
/// those who wait are let in at once.
///
/// ```
/// use buttress_bulkhead::{BulkheadLayer, Limit, Sample};
/// use buttress_core::Outcome;
/// use tokio::time::Instant;
///
/// /// Additive increase, multiplicative decrease: one more for each round of calls that went well, and
/// /// half as many after a failure.
/// #[derive(Clone)]
/// struct Aimd {
///     limit: f64,
///     halved: Option<Instant>,
/// }
///
/// impl Limit for Aimd {
///     fn current(&self) -> usize {
///         self.limit as usize
///     }
///
///     fn learn(&mut self, sample: &Sample) {
///         match sample.judgement.outcome {
///             // One that began before it was halved is no news.
///             Outcome::Failure if self.halved.is_none_or(|at| at + sample.latency < sample.now) => {
///                 self.limit = (self.limit / 2.0).max(1.0);
///                 self.halved = Some(sample.now);
///             }
///             // Only a limit that was reached says anything about one that is higher.
///             Outcome::Success if sample.in_flight as f64 >= self.limit.floor() => {
///                 self.limit = (self.limit + 1.0 / self.limit).min(200.0);
///             }
///             _ => {}
///         }
///     }
/// }
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let layer = BulkheadLayer::builder().limit(Aimd { limit: 20.0, halved: None }).build()?;
/// assert_eq!(layer.handle().limit(), 20);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no limit of a bulkhead",
    note = "a number is said by `.max_concurrent(…)`; a limit that learns implements `Limit`"
)]
pub trait Limit: Send + 'static {
    /// The limit now.
    fn current(&self) -> usize;

    /// Learns from a call that has ended, on whose thread this runs. The place of the call comes back
    /// right after.
    ///
    /// One at a time learns, and of two that end at once either may be the first. So it should be quick,
    /// and must not panic, make or end calls of the bulkhead that it is the limit of, or set its limit.
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
    /// When it ended.
    pub now: Instant,
    /// From when the inner service was asked whether it is ready to the end of the response. A reader who
    /// takes his time is in it; a wait for the place, or for a thread of a runtime, is not.
    pub latency: Duration,
    /// How many calls were in flight when it ended, itself included.
    pub in_flight: usize,
    /// What it says about the dependency, as its protocol judges.
    ///
    /// A [`FAILURE`](Judgement::FAILURE) as well if it panicked, or a limit outside cut it while the
    /// dependency was waited for; [`NEUTRAL`](Judgement::NEUTRAL), and nothing to be learned from its
    /// latency, if its caller hung up, or a layer inside refused it. A dependency that asks for less by a
    /// 429 is neutral too, and may be asked again: its `retry` is not `Never`.
    pub judgement: Judgement,
}

impl Sample {
    /// A sample, to try a limit with.
    pub const fn new(
        now: Instant,
        latency: Duration,
        in_flight: usize,
        judgement: Judgement,
    ) -> Self {
        Self { now, latency, in_flight, judgement }
    }
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
