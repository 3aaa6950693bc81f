//! What an operator holds.

use std::{fmt, sync::Arc};

use crate::layer::Shared;

/// Shows what a bulkhead is doing; made by [`BulkheadLayer::handle`](crate::BulkheadLayer::handle).
///
/// Clones show the same bulkhead. Under concurrency every figure is of the moment it was read.
#[derive(Clone)]
pub struct BulkheadHandle {
    shared: Arc<Shared>,
}

/// The figures of a bulkhead at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadSnapshot {
    /// The most calls at once.
    pub limit: usize,
    /// The places that are taken; see [`BulkheadHandle::in_flight`].
    pub in_flight: usize,
    /// The calls that wait for a place; see [`BulkheadHandle::queued`].
    pub queued: usize,
    /// The calls that were refused since the layer was made, at the door or after a wait.
    pub rejected: u64,
}

impl BulkheadHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The most calls at once.
    pub fn limit(&self) -> usize {
        self.shared.places.limit()
    }

    /// The places that are taken: by calls until their responses are over, and by those that
    /// have just been given one and not yet been polled.
    pub fn in_flight(&self) -> usize {
        self.shared.places.in_flight()
    }

    /// The calls that wait for a place. One that has been given a place leaves the queue when it
    /// is next polled.
    pub fn queued(&self) -> usize {
        self.shared.places.queued()
    }

    /// All figures.
    pub fn snapshot(&self) -> BulkheadSnapshot {
        BulkheadSnapshot {
            limit: self.limit(),
            in_flight: self.in_flight(),
            queued: self.queued(),
            rejected: self.shared.rejected(),
        }
    }
}

impl fmt::Debug for BulkheadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadHandle").field(&self.snapshot()).finish()
    }
}
