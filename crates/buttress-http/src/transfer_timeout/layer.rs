//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Rejection, RejectionKind, Reporter};
use tower_layer::Layer;

use super::{TransferTimeout, TransferTimeoutHandle, handle::Counts, limits::Limits};

/// The word for this layer in errors and events: that of every limit on time.
const LAYER: &str = "timeout";

/// The name of the layer until it is given another.
const NAME: &str = "transfer";

/// Cuts each call whose bodies stand still; see the [module's page](super).
#[derive(Clone)]
pub struct TransferTimeoutLayer {
    shared: Arc<Shared>,
}

/// What every service and every call of one layer share.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) reporter: Reporter,
    pub(super) counts: Counts,
}

impl Shared {
    /// Tells of a call that was cut.
    pub(super) fn cut(&self, kind: RejectionKind) -> Rejection {
        self.counts.cut(&kind);
        self.reporter.reject(kind)
    }
}

impl TransferTimeoutLayer {
    /// A builder; see the [table of settings](super#settings).
    pub fn builder() -> TransferTimeoutLayerBuilder {
        let mut reporter = Reporter::new(LAYER);
        reporter.set_name(NAME);
        TransferTimeoutLayerBuilder { limits: Limits::default(), reporter }
    }

    /// The handle by which the layer's counts are read.
    pub fn handle(&self) -> TransferTimeoutHandle {
        TransferTimeoutHandle::new(Arc::clone(&self.shared))
    }

    /// The same layer, switched off: calls pass as if it were not there, but for the types of their
    /// bodies. Of the same type, so that a setting can decide:
    /// `if on { layer } else { layer.disabled() }`.
    ///
    /// Its [handle](Self::handle) has counts of its own, which stay at zero.
    pub fn disabled(self) -> Self {
        let (limits, counts) = (Limits::default(), Counts::default());
        let reporter = self.shared.reporter.clone();
        Self { shared: Arc::new(Shared { limits, reporter, counts }) }
    }
}

/// Builds a [`TransferTimeoutLayer`].
pub struct TransferTimeoutLayerBuilder {
    limits: Limits,
    reporter: Reporter,
}

impl TransferTimeoutLayerBuilder {
    /// Allows each frame of the request body this long: from the moment at which the body is first
    /// asked for one, and then from the frame before, until the body is over. From 5 to 30 s is
    /// usual. Default: no limit. `Duration::MAX` means no limit, too.
    ///
    /// Either side may be the slow one: the body has no frame, or the inner service asks for none.
    /// It holds on after the response head, until the response is over.
    pub fn write(mut self, limit: Duration) -> Self {
        self.limits.write = Some(limit);
        self
    }

    /// Allows each call this long in which nothing moves: no frame of the request body, no
    /// response head, no frame of the response body. From 60 to 300 s is usual. Default: no limit.
    /// `Duration::MAX` means no limit, too.
    ///
    /// It begins with the call, so the inner service becoming ready is part of it.
    pub fn idle(mut self, limit: Duration) -> Self {
        self.limits.idle = Some(limit);
        self
    }

    /// Names the layer in errors and events. Default: `"transfer"`.
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
    /// [`ConfigError`] if a limit is zero.
    pub fn build(self) -> Result<TransferTimeoutLayer, ConfigError> {
        let Self { limits, reporter } = self;
        let (limits, counts) = (limits.check()?, Counts::default());
        Ok(TransferTimeoutLayer { shared: Arc::new(Shared { limits, reporter, counts }) })
    }
}

impl<S> Layer<S> for TransferTimeoutLayer {
    type Service = TransferTimeout<S>;

    fn layer(&self, inner: S) -> TransferTimeout<S> {
        TransferTimeout::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for TransferTimeoutLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferTimeoutLayer")
            .field("name", self.reporter.name())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TransferTimeoutLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferTimeoutLayerBuilder")
            .field("name", self.reporter.name())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
