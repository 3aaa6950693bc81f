//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::layer::Shared;

/// Reads the count of a [`SendDeadlineLayer`](super::SendDeadlineLayer), of all its services
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

    /// The count since the layer was built.
    pub fn snapshot(&self) -> SendDeadlineSnapshot {
        self.shared.counts.snapshot()
    }
}

/// How many requests a [`SendDeadlineLayer`](super::SendDeadlineLayer) has not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendDeadlineSnapshot {
    /// Requests that were refused, for they had no time left when they were to be sent.
    pub refused: u64,
}

/// The count behind the snapshot. A call that goes well does not touch it.
#[derive(Default)]
pub(super) struct Counts {
    refused: AtomicU64,
}

impl Counts {
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> SendDeadlineSnapshot {
        SendDeadlineSnapshot { refused: self.refused.load(Ordering::Relaxed) }
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
