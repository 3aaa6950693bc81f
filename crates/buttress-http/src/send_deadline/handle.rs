//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::layer::Shared;

/// Reads the counts of a [`SendDeadlineLayer`](super::SendDeadlineLayer), of all its services
/// together.
#[derive(Clone)]
pub struct SendDeadlineHandle {
    shared: Arc<Shared>,
}

impl SendDeadlineHandle {
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
    pub fn snapshot(&self) -> SendDeadlineSnapshot {
        self.shared.counts.snapshot()
    }
}

/// How many calls a [`SendDeadlineLayer`](super::SendDeadlineLayer) has refused, and how many ended
/// by what it sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendDeadlineSnapshot {
    /// Requests that were refused, for they had no time left when they were to be sent.
    pub refused: u64,
    /// gRPC calls that the client ended with an error of its own when the time was up that was
    /// sent with them, and that no limit outside ended as well.
    pub late: u64,
}

/// The counts behind the snapshot. A call that goes well touches none of them.
#[derive(Default)]
pub(super) struct Counts {
    refused: AtomicU64,
    late: AtomicU64,
}

impl Counts {
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> SendDeadlineSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SendDeadlineSnapshot { refused: read(&self.refused), late: read(&self.late) }
    }
}

impl fmt::Debug for SendDeadlineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDeadlineHandle")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
