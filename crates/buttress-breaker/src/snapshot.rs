//! What a circuit looked like at one moment.

use buttress_core::{CircuitState, Trip};
use tokio::time::Instant;

/// What a circuit looked like at one moment.
///
/// Taken by [`BreakerHandle::snapshot`](crate::BreakerHandle::snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: CircuitState,
    /// Whether an operator holds it open or closed.
    pub forced: bool,
    /// When the state began, or the layer was made.
    pub since: Instant,
    /// While it is open, until when; `None` if it stays so until an operator changes it.
    pub open_until: Option<Instant>,
    /// While it is not closed, why it opened.
    pub why: Option<Trip>,
    /// While closed, the failures in a row so far; else those before it opened.
    pub failures: u32,
    /// While closed, the calls in the window, where there is one; else those when it opened.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow.
    pub slow: u64,
    /// While half-open, the probes that are out.
    pub probes: u32,
    /// Grows with each change of state, and each word of an operator; an outcome of a call that was
    /// admitted in an earlier generation changes nothing.
    pub generation: u64,
    /// How often the circuit opened, from closed or from half-open.
    pub opened: u64,
    /// The calls that were refused.
    pub rejected: u64,
    /// The calls that would have been refused, had the layer not been told
    /// [only to report](crate::BreakerLayerBuilder::shadow).
    pub would_have_rejected: u64,
    /// The calls that ended when the generation that they were admitted in was over.
    pub stale: u64,
}

impl Snapshot {
    /// The part of the calls in the window that failed, from 0 to 1; `None` if there are none.
    pub fn failure_rate(&self) -> Option<f64> {
        rate(self.failed, self.calls)
    }

    /// The part of the calls in the window that were slow, from 0 to 1; `None` if there are none.
    pub fn slow_call_rate(&self) -> Option<f64> {
        rate(self.slow, self.calls)
    }
}

fn rate(count: u64, calls: u64) -> Option<f64> {
    (calls > 0).then(|| count as f64 / calls as f64)
}
