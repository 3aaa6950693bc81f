//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use buttress_core::{Phase, RejectionKind};

use crate::layer::Shared;

/// Reads the counts of a [`TimeoutLayer`](crate::TimeoutLayer), of all its services together.
#[derive(Clone)]
pub struct TimeoutHandle {
    shared: Arc<Shared>,
}

impl TimeoutHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The name of the layer.
    pub fn name(&self) -> &str {
        self.shared.reporter.name()
    }

    /// The counts since the layer was built.
    ///
    /// Each count is exact; they are not read in one moment.
    pub fn snapshot(&self) -> TimeoutSnapshot {
        self.shared.counts.snapshot()
    }
}

/// How many calls a [`TimeoutLayer`](crate::TimeoutLayer) has refused or cut, each by its cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutSnapshot {
    /// Refused at the door, for their deadline had passed before they began.
    pub refused: u64,
    /// Cut by the deadline that came with them.
    pub deadline: u64,
    /// Cut by the limit on the whole call.
    pub overall: u64,
    /// Cut by the limit on the response head.
    pub response: u64,
    /// Cut by the limit on the gap between frames of the response body.
    pub read: u64,
}

/// The counts behind the snapshot. A call that goes well touches none of them.
#[derive(Default)]
pub(crate) struct Counts {
    refused: AtomicU64,
    deadline: AtomicU64,
    overall: AtomicU64,
    response: AtomicU64,
    read: AtomicU64,
}

impl Counts {
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was cut, by its cause.
    pub(crate) fn cut(&self, kind: &RejectionKind) {
        let count = match kind {
            RejectionKind::TimedOut { phase: Phase::Response, .. } => &self.response,
            RejectionKind::TimedOut { phase: Phase::Read, .. } => &self.read,
            RejectionKind::TimedOut { .. } => &self.overall,
            _ => &self.deadline,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> TimeoutSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TimeoutSnapshot {
            refused: read(&self.refused),
            deadline: read(&self.deadline),
            overall: read(&self.overall),
            response: read(&self.response),
            read: read(&self.read),
        }
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutHandle")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
