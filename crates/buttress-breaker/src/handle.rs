//! What an operator holds.

use std::{fmt, sync::Arc};

use buttress_core::CircuitState;
use tokio::time::Instant;

use crate::{Snapshot, Transitions, hold::Hold, shared::Shared};

/// A circuit in an operator's hand: that of one [`BreakerLayer`](crate::BreakerLayer) and all
/// services that it made, or that of one key.
///
/// Clones hold the same circuit. Whoever looks makes the changes that are due by the time alone,
/// as a call would: a circuit whose open time is over is half-open, and the observer is told so.
///
/// What an operator says holds for all who use the circuit, until he says otherwise:
///
/// ```
/// use buttress_breaker::BreakerLayer;
/// use buttress_core::CircuitState;
///
/// let layer = BreakerLayer::new();
/// let handle = layer.handle();
/// handle.force_open(); // the dependency is being maintained
/// assert_eq!(handle.state(), CircuitState::Open);
/// handle.resume(); // and is back: the next call is a probe
/// assert_eq!(handle.state(), CircuitState::HalfOpen);
/// ```
#[derive(Clone)]
pub struct BreakerHandle {
    hold: Arc<Hold>,
}

impl BreakerHandle {
    #[inline]
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self { hold }
    }

    #[inline]
    pub(crate) fn into_hold(self) -> Arc<Hold> {
        self.hold
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        self.hold.shared()
    }

    /// The name in errors and events: that of the layer, and for one of many circuits its key.
    pub fn name(&self) -> &str {
        self.shared().reporter().name()
    }

    /// The state now.
    pub fn state(&self) -> CircuitState {
        self.shared().operate(|circuit| circuit.state(Instant::now))
    }

    /// All there is to see, as of one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.shared().operate(|circuit| circuit.snapshot(Instant::now))
    }

    /// Opens the circuit and holds it open: every call is refused (unless the layer only
    /// [reports](crate::BreakerLayerBuilder::shadow)) and none is let in as a probe,
    /// until [`resume`](Self::resume), [`reset`](Self::reset) or
    /// [`force_closed`](Self::force_closed).
    pub fn force_open(&self) {
        self.shared().operate(|circuit| circuit.force_open(Instant::now()));
    }

    /// Closes the circuit and holds it closed: every call passes, and none counts, until
    /// [`resume`](Self::resume), [`reset`](Self::reset) or [`force_open`](Self::force_open).
    pub fn force_closed(&self) {
        self.shared().operate(|circuit| circuit.force_closed(Instant::now()));
    }

    /// Leaves a circuit that was forced to itself again: one that was held open becomes half-open,
    /// for nobody knows how the dependency is, and one that was held closed is closed, with nothing
    /// counted. Nothing happens to one that was not forced.
    pub fn resume(&self) {
        self.shared().operate(|circuit| circuit.resume(Instant::now()));
    }

    /// Closes the circuit, with nothing counted, as it was in the beginning; also one that was
    /// forced.
    ///
    /// Calls that are out count for nothing any more. The sums of the [snapshot](Snapshot), as how
    /// often it opened, go on.
    pub fn reset(&self) {
        self.shared().operate(|circuit| circuit.reset(Instant::now()));
    }

    /// The changes of state from now on.
    pub fn subscribe(&self) -> Transitions {
        self.shared().subscribe()
    }
}

impl fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerHandle").field("layer", &self.shared()).finish()
    }
}
