//! The layer and its builder.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use buttress_core::{ConfigError, Observer, Plain, Rejection, RejectionKind, Reporter};
use tower_layer::Layer;

use crate::{
    Bulkhead, BulkheadHandle,
    places::{self, Places},
};

/// The word for this layer in errors and events.
const LAYER: &str = "bulkhead";

/// Bounds how many calls are under way at once; see the [crate's page](crate).
///
/// All services that one layer makes, and those that its clones make, share its places.
#[derive(Clone)]
pub struct BulkheadLayer<P = Plain> {
    shared: Arc<Shared>,
    protocol: P,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    pub(crate) places: Places,
    pub(crate) max_wait: Duration,
    rejected: AtomicU64,
    reporter: Reporter,
}

impl BulkheadLayer {
    /// A layer that lets `max_concurrent` calls pass at once and refuses the others at once.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_concurrent` is zero, or more than a semaphore can count.
    pub fn new(max_concurrent: usize) -> Result<Self, ConfigError> {
        Self::builder().max_concurrent(max_concurrent).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> BulkheadLayerBuilder {
        BulkheadLayerBuilder {
            max_concurrent: None,
            max_wait: Duration::ZERO,
            max_queue: None,
            reporter: Reporter::new(LAYER),
            protocol: Plain,
        }
    }
}

impl<P> BulkheadLayer<P> {
    /// Shows what the bulkhead is doing.
    pub fn handle(&self) -> BulkheadHandle {
        BulkheadHandle::new(Arc::clone(&self.shared))
    }

    /// A layer with the same settings, name and observer, and with places of its own.
    pub fn isolated(&self) -> Self
    where
        P: Clone,
    {
        let Shared { places, max_wait, reporter, rejected: _ } = &*self.shared;
        let shared = Shared {
            places: Places::new(places.limit(), places.max_queue()),
            max_wait: *max_wait,
            rejected: AtomicU64::new(0),
            reporter: reporter.clone(),
        };
        Self { shared: Arc::new(shared), protocol: self.protocol.clone() }
    }
}

/// Builds a [`BulkheadLayer`].
pub struct BulkheadLayerBuilder<P = Plain> {
    max_concurrent: Option<usize>,
    max_wait: Duration,
    max_queue: Option<usize>,
    reporter: Reporter,
    protocol: P,
}

impl<P> BulkheadLayerBuilder<P> {
    /// Lets this many calls pass at once, counted until their responses are over. Required.
    pub fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// Lets a call that finds no free place wait this long for one, and never past the ambient
    /// deadline. Default: zero, it is refused at once. `Duration::MAX` means as long as the
    /// deadline allows, and without end if there is none.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.max_wait = limit;
        self
    }

    /// Lets this many calls wait at once; the next is refused. Only together with
    /// [`max_wait`](Self::max_wait). Default: as many as `max_concurrent`.
    pub fn max_queue(mut self, calls: usize) -> Self {
        self.max_queue = Some(calls);
        self
    }

    /// Follows responses by this protocol. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> BulkheadLayerBuilder<Q> {
        let Self { max_concurrent, max_wait, max_queue, reporter, protocol: _ } = self;
        BulkheadLayerBuilder { max_concurrent, max_wait, max_queue, reporter, protocol }
    }

    /// Names the layer in errors and events. Default: `"bulkhead"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_concurrent` is not set, is zero, or is more than a semaphore can
    /// count (`usize::MAX / 8`); if `max_queue` is zero, or set while `max_wait` is zero.
    pub fn build(self) -> Result<BulkheadLayer<P>, ConfigError> {
        let Self { max_concurrent, max_wait, max_queue, reporter, protocol } = self;
        let Some(limit) = max_concurrent else {
            let allowed = format!("from 1 to {}", places::MOST);
            return Err(ConfigError::new("max_concurrent", "not set", allowed));
        };
        ConfigError::check_count("max_concurrent", limit, places::MOST)?;
        if let Some(calls) = max_queue {
            ConfigError::check_count("max_queue", calls, usize::MAX)?;
            if max_wait.is_zero() {
                let allowed = "left unset where `max_wait` is zero";
                return Err(ConfigError::new("max_queue", calls, allowed));
            }
        }
        let shared = Shared {
            places: Places::new(limit, max_queue.unwrap_or(limit)),
            max_wait,
            rejected: AtomicU64::new(0),
            reporter,
        };
        Ok(BulkheadLayer { shared: Arc::new(shared), protocol })
    }
}

impl Shared {
    /// Makes the rejection, counts it, and tells the observer of it.
    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.reporter.reject(kind)
    }

    /// Rejects because there is no place, neither to be in nor to wait in.
    pub(crate) fn reject_as_full(&self) -> Rejection {
        self.reject(RejectionKind::BulkheadFull {
            limit: self.places.limit(),
            in_flight: self.places.in_flight(),
            queued: self.places.queued(),
        })
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

impl<S, P: Clone> Layer<S> for BulkheadLayer<P> {
    type Service = Bulkhead<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, Arc::clone(&self.shared), self.protocol.clone())
    }
}

impl<P> fmt::Debug for BulkheadLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadLayer")
            .field("name", self.reporter.name())
            .field("max_concurrent", &self.places.limit())
            .field("max_wait", &self.max_wait)
            .field("max_queue", &self.places.max_queue())
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for BulkheadLayerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadLayerBuilder")
            .field("name", self.reporter.name())
            .field("max_concurrent", &self.max_concurrent)
            .field("max_wait", &self.max_wait)
            .field("max_queue", &self.max_queue)
            .finish_non_exhaustive()
    }
}
