//! What an operator holds.

use std::{fmt, sync::Arc};

use buttress_core::CircuitState;

use crate::{Snapshot, layer::Shared};

/// A view of the circuit of one [`BreakerLayer`](crate::BreakerLayer), and of all services that
/// it made.
///
/// Clones see the same circuit. Whoever looks makes the changes that are due by the time alone,
/// as a call would: a circuit whose open time is over is half-open, and the observer is told so.
#[derive(Clone)]
pub struct BreakerHandle {
    shared: Arc<Shared>,
}

impl BreakerHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The state now.
    pub fn state(&self) -> CircuitState {
        self.shared.state()
    }

    /// All there is to see, as of one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }
}

impl fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerHandle").field("layer", &self.shared).finish()
    }
}
