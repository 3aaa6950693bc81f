//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use buttress_core::{Phase, RejectionKind};

use super::layer::Shared;

/// Reads the counts of a [`TransferTimeoutLayer`](super::TransferTimeoutLayer), of all its
/// services together.
#[derive(Clone)]
pub struct TransferTimeoutHandle {
    shared: Arc<Shared>,
}

impl TransferTimeoutHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The name of the layer.
    pub fn name(&self) -> &str {
        self.shared.reporter.name()
    }

    /// The counts since the layer was built.
    ///
    /// Each count is exact; they are not read in one moment.
    pub fn snapshot(&self) -> TransferTimeoutSnapshot {
        self.shared.counts.snapshot()
    }
}

/// How many calls a [`TransferTimeoutLayer`](super::TransferTimeoutLayer) has cut, each by its
/// limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferTimeoutSnapshot {
    /// Cut by the limit on the gap between frames of the request body.
    pub write: u64,
    /// Cut by the limit on the time in which nothing moved.
    pub idle: u64,
}

/// The counts behind the snapshot. A call that goes well touches none of them.
#[derive(Default)]
pub(super) struct Counts {
    write: AtomicU64,
    idle: AtomicU64,
}

impl Counts {
    /// Counts a call that was cut, by its limit.
    pub(super) fn cut(&self, kind: &RejectionKind) {
        let count = match kind {
            RejectionKind::TimedOut { phase: Phase::Write, .. } => &self.write,
            _ => &self.idle,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> TransferTimeoutSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TransferTimeoutSnapshot { write: read(&self.write), idle: read(&self.idle) }
    }
}

impl fmt::Debug for TransferTimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferTimeoutHandle")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
