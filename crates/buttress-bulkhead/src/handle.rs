//! What an operator holds.

use std::{fmt, sync::Arc};

use buttress_core::ConfigError;

use crate::{BulkheadSnapshot, counts::MOST, shared::Shared};

/// A bulkhead, or one of its compartments, in an operator's hand.
///
/// Clones hold the same one.
///
/// ```
/// use buttress_bulkhead::BulkheadLayer;
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let layer = BulkheadLayer::new(10)?;
/// let handle = layer.handle();
/// handle.set_limit(4)?; // the dependency runs on fewer machines
/// assert_eq!(handle.limit(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BulkheadHandle {
    shared: Arc<Shared>,
}

impl BulkheadHandle {
    #[inline]
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The name in errors and events: that of the layer, and for one of many compartments its own.
    pub fn name(&self) -> &str {
        self.shared.reporter().name()
    }

    /// The most calls at once.
    pub fn limit(&self) -> usize {
        self.shared.places.figures().limit
    }

    /// The places that are taken; see [`BulkheadSnapshot::in_flight`].
    pub fn in_flight(&self) -> usize {
        self.shared.places.figures().in_flight
    }

    /// The calls that wait for a place; see [`BulkheadSnapshot::queued`].
    pub fn queued(&self) -> usize {
        self.shared.places.figures().queued
    }

    /// All figures. Limit, calls in flight and queued are of one moment, as nearly as can be told while calls come
    /// and go.
    pub fn snapshot(&self) -> BulkheadSnapshot {
        self.shared.snapshot()
    }

    /// Lets this many calls pass at once from now on, from 1 to 1,000,000, in place of the limit that
    /// there was; one that [learned](crate::Limit) learns no more, until [`reset_limit`](Self::reset_limit).
    ///
    /// No call in flight is touched, and this does not wait: after it shrank, places that come back are
    /// free again only when there are fewer in flight. When it grows, those who wait are let in. The
    /// bound on the queue stays.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the limit is outside its range; the former holds then.
    pub fn set_limit(&self, limit: usize) -> Result<(), ConfigError> {
        ConfigError::check_count("limit", limit, MOST)?;
        self.shared.set_limit(limit);
        Ok(())
    }

    /// Goes back to the limit that the bulkhead was built with; one that learns begins anew.
    pub fn reset_limit(&self) {
        self.shared.reset_limit();
    }
}

impl fmt::Debug for BulkheadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadHandle")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
