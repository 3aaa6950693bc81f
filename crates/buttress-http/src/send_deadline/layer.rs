//! The layer and its builder.

use std::{fmt, sync::Arc};

use buttress_core::{
    BoxError, ConfigError, EventKind, Observer, Rejection, RejectionKind, Reporter,
};
use tower_layer::Layer;

use super::{SendDeadline, SendDeadlineHandle, handle::Counts};
use crate::DeadlineHeader;

/// The word for this layer in errors and events.
const LAYER: &str = "send-deadline";

/// Sends what remains of the deadline along with each request; see the [module's page](super).
#[derive(Clone)]
pub struct SendDeadlineLayer {
    shared: Arc<Shared>,
}

/// What every service and every call of one layer share.
pub(super) struct Shared {
    header: DeadlineHeader,
    pub(super) reporter: Reporter,
    pub(super) counts: Counts,
    /// Whether the layer is switched off.
    pub(super) is_off: bool,
}

impl Shared {
    /// The header for a request that is not gRPC.
    pub(super) fn header(&self) -> &DeadlineHeader {
        &self.header
    }

    /// Refuses a request that nothing is left for.
    pub(super) fn refuse(&self) -> Rejection {
        self.counts.refused();
        self.reporter.reject(RejectionKind::DeadlineExceeded { called: false })
    }

    /// Tells of a call that was ended by the time it was sent with.
    pub(super) fn late(&self, cause: BoxError) -> Rejection {
        self.counts.late();
        let kind = RejectionKind::DeadlineExceeded { called: true };
        let rejection = self.reporter.rejection(kind).with_cause(cause);
        self.reporter.report(EventKind::Rejected(&rejection));
        rejection
    }
}

impl SendDeadlineLayer {
    /// A layer that writes `x-request-timeout-ms`, and `grpc-timeout` for gRPC.
    pub fn new() -> Self {
        Self::of(DeadlineHeader::REQUEST_TIMEOUT_MS, Reporter::new(LAYER))
    }

    /// A builder; see the [table of settings](super#settings).
    pub fn builder() -> SendDeadlineLayerBuilder {
        SendDeadlineLayerBuilder {
            header: DeadlineHeader::REQUEST_TIMEOUT_MS,
            reporter: Reporter::new(LAYER),
        }
    }

    /// The handle by which the layer's counts are read.
    pub fn handle(&self) -> SendDeadlineHandle {
        SendDeadlineHandle::new(Arc::clone(&self.shared))
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No header is written or rewritten, no deadline that the request carries in its extensions is set,
    /// and none is refused. Its [handle](Self::handle) has counts of its own, which stay at zero.
    pub fn disabled(self) -> Self {
        let Shared { header, reporter, .. } = &*self.shared;
        let (header, reporter, counts) = (header.clone(), reporter.clone(), Counts::default());
        Self { shared: Arc::new(Shared { header, reporter, counts, is_off: true }) }
    }

    fn of(header: DeadlineHeader, reporter: Reporter) -> Self {
        let counts = Counts::default();
        Self { shared: Arc::new(Shared { header, reporter, counts, is_off: false }) }
    }
}

impl Default for SendDeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds a [`SendDeadlineLayer`].
pub struct SendDeadlineLayerBuilder {
    header: DeadlineHeader,
    reporter: Reporter,
}

impl SendDeadlineLayerBuilder {
    /// Writes this header into requests that are not gRPC. Default: `x-request-timeout-ms`.
    pub fn header(mut self, header: DeadlineHeader) -> Self {
        self.header = header;
        self
    }

    /// Names the layer in errors and events. Default: `"send-deadline"`.
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
    /// [`ConfigError`] if the header is `grpc-timeout` in milliseconds.
    pub fn build(self) -> Result<SendDeadlineLayer, ConfigError> {
        self.header.check("header")?;
        Ok(SendDeadlineLayer::of(self.header, self.reporter))
    }
}

impl<S> Layer<S> for SendDeadlineLayer {
    type Service = SendDeadline<S>;

    fn layer(&self, inner: S) -> SendDeadline<S> {
        SendDeadline::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for SendDeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDeadlineLayer")
            .field("name", self.reporter.name())
            .field("header", &self.header)
            .field("is_off", &self.is_off)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SendDeadlineLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDeadlineLayerBuilder")
            .field("name", self.reporter.name())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
