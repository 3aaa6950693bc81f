//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::layer::Shared;

/// Reads the counts of an [`AcceptDeadlineLayer`](super::AcceptDeadlineLayer), of all its services
/// together.
#[derive(Clone)]
pub struct AcceptDeadlineHandle {
    shared: Arc<Shared>,
}

impl AcceptDeadlineHandle {
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
    pub fn snapshot(&self) -> AcceptDeadlineSnapshot {
        self.shared.counts.snapshot()
    }
}

/// What an [`AcceptDeadlineLayer`](super::AcceptDeadlineLayer) has refused and ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptDeadlineSnapshot {
    /// Requests refused at the door, for they had no time left when they came, or when the inner
    /// service was ready for them.
    pub refused: u64,
    /// Values of headers that were invalid, and ignored.
    pub ignored: u64,
}

/// The counts behind the snapshot. A call that goes well touches none of them.
#[derive(Default)]
pub(super) struct Counts {
    refused: AtomicU64,
    ignored: AtomicU64,
}

impl Counts {
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> AcceptDeadlineSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AcceptDeadlineSnapshot { refused: read(&self.refused), ignored: read(&self.ignored) }
    }
}

impl fmt::Debug for AcceptDeadlineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptDeadlineHandle")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
