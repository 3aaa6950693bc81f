//! What an operator holds.

use std::{fmt, sync::Arc};

use buttress_core::ConfigError;

use crate::{Faults, Timeline, shared::Shared};

/// Switches the faults of a layer while it runs; made by
/// [`ChaosLayer::handle`](crate::ChaosLayer::handle).
///
/// Clones switch the same layer. A change holds for calls that are made after it; those that
/// were struck before stay struck.
#[derive(Clone)]
pub struct ChaosHandle {
    shared: Arc<Shared>,
}

impl ChaosHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Puts these faults in force, in place of whatever was; not in a layer that is
    /// [disabled](crate::ChaosLayer::disabled).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if they [panic](Faults::panics), and the layer does not allow it. Then all stays
    /// as it was.
    pub fn set(&self, faults: Faults) -> Result<(), ConfigError> {
        faults.check(self.shared.panics_allowed)?;
        self.shared.switch.set(&faults);
        Ok(())
    }

    /// Plays this timeline from now on, in place of whatever was in force.
    ///
    /// The steps count whose target is the [name](crate::ChaosLayerBuilder::name) of the layer, and those
    /// without one. Where several are in force at a time, each kind of fault is that of the step which
    /// began last. Time is tokio's: under a paused clock the timeline stands still as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_chaos::{ChaosLayer, Faults, Step, Timeline};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), buttress_core::ConfigError> {
    /// const SECOND: Duration = Duration::from_secs(1);
    /// let outage = Step::new(5 * SECOND, Faults::none().errors(1.0)?).lasting(3 * SECOND)?;
    /// let layer = ChaosLayer::builder().build()?;
    /// layer.handle().play(Timeline::new().step(outage))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set), for any step.
    pub fn play(&self, timeline: Timeline<Faults>) -> Result<(), ConfigError> {
        for step in timeline.steps() {
            step.fault().check(self.shared.panics_allowed)?;
        }
        self.shared.switch.play(timeline);
        Ok(())
    }

    /// Ends all faults, and a timeline.
    pub fn clear(&self) {
        self.shared.switch.set(&Faults::none());
    }

    /// The faults that are in force now.
    pub fn faults(&self) -> Faults {
        self.shared.faults()
    }
}

impl fmt::Debug for ChaosHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChaosHandle").field(&self.faults()).finish()
    }
}
