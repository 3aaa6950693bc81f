//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, EventKind, Observer, Rejection, RejectionKind, Reporter};
use http::HeaderMap;
use tower_layer::Layer;

use super::{AcceptDeadline, AcceptDeadlineHandle, handle::Counts};
use crate::{DeadlineHeader, deadline_header::KNOWN};

/// The word for this layer in errors and events.
const LAYER: &str = "accept-deadline";

/// Gives each call the deadline that its request came with; see the [module's page](super).
#[derive(Clone)]
pub struct AcceptDeadlineLayer {
    shared: Arc<Shared>,
}

/// What every service of one layer shares.
pub(super) struct Shared {
    headers: Vec<DeadlineHeader>,
    max: Option<Duration>,
    pub(super) reporter: Reporter,
    pub(super) counts: Counts,
    /// Whether the layer is switched off.
    pub(super) is_off: bool,
}

impl Shared {
    /// The time that a request with these headers is given; `None` is without limit.
    pub(super) fn allowance(&self, headers: &HeaderMap) -> Option<Duration> {
        let said = self.headers.iter().filter_map(|header| {
            header.soonest(headers, |value| {
                self.counts.ignored();
                let field = header.name().as_str();
                self.reporter.report(EventKind::Ignored { field, value });
            })
        });
        said.chain(self.max).min()
    }

    /// Refuses a request that came too late.
    pub(super) fn refuse(&self) -> Rejection {
        self.counts.refused();
        self.reporter.reject(RejectionKind::DeadlineExceeded { called: false })
    }
}

impl AcceptDeadlineLayer {
    /// A layer that reads the three headers of the [table of settings](super#settings), and has
    /// no limit of its own.
    pub fn new() -> Self {
        Self::of(KNOWN.to_vec(), None, Reporter::new(LAYER))
    }

    /// A builder; see the [table of settings](super#settings).
    pub fn builder() -> AcceptDeadlineLayerBuilder {
        AcceptDeadlineLayerBuilder {
            headers: KNOWN.to_vec(),
            max: None,
            reporter: Reporter::new(LAYER),
        }
    }

    /// The handle by which the layer's counts are read.
    pub fn handle(&self) -> AcceptDeadlineHandle {
        AcceptDeadlineHandle::new(Arc::clone(&self.shared))
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No header is read and no deadline set, also not one that the request carries in its extensions,
    /// and none is refused. Its [handle](Self::handle) has counts of its own, which stay at zero.
    pub fn disabled(self) -> Self {
        let Shared { headers, max, reporter, .. } = &*self.shared;
        let (headers, max, reporter) = (headers.clone(), *max, reporter.clone());
        let counts = Counts::default();
        Self { shared: Arc::new(Shared { headers, max, reporter, counts, is_off: true }) }
    }

    fn of(headers: Vec<DeadlineHeader>, max: Option<Duration>, reporter: Reporter) -> Self {
        let counts = Counts::default();
        Self { shared: Arc::new(Shared { headers, max, reporter, counts, is_off: false }) }
    }
}

impl Default for AcceptDeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds an [`AcceptDeadlineLayer`].
pub struct AcceptDeadlineLayerBuilder {
    headers: Vec<DeadlineHeader>,
    max: Option<Duration>,
    reporter: Reporter,
}

impl AcceptDeadlineLayerBuilder {
    /// Reads these headers, in place of the former; the soonest of them holds. Default: the three
    /// of the [table of settings](super#settings).
    ///
    /// With none at all, the layer still knows of `max` and of the deadlines that are not in a
    /// header.
    pub fn headers(mut self, headers: impl IntoIterator<Item = DeadlineHeader>) -> Self {
        self.headers = headers.into_iter().collect();
        self
    }

    /// Gives no request more than this, whatever it says, and also if it says nothing. Default:
    /// no limit. `Duration::MAX` means no limit, too.
    pub fn max(mut self, limit: Duration) -> Self {
        self.max = Some(limit);
        self
    }

    /// Names the layer in errors and events. Default: `"accept-deadline"`.
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
    /// [`ConfigError`] if `max` is zero, or if `grpc-timeout` is listed in milliseconds.
    pub fn build(self) -> Result<AcceptDeadlineLayer, ConfigError> {
        ConfigError::check_not_zero("max", self.max.unwrap_or(Duration::MAX))?;
        let max = self.max.filter(|max| *max != Duration::MAX);
        let mut headers = Vec::with_capacity(self.headers.len());
        for header in self.headers {
            header.check("headers")?;
            // What is invalid in one that is listed twice would be told of twice.
            if !headers.contains(&header) {
                headers.push(header);
            }
        }
        Ok(AcceptDeadlineLayer::of(headers, max, self.reporter))
    }
}

impl<S> Layer<S> for AcceptDeadlineLayer {
    type Service = AcceptDeadline<S>;

    fn layer(&self, inner: S) -> AcceptDeadline<S> {
        AcceptDeadline::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for AcceptDeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptDeadlineLayer")
            .field("name", self.reporter.name())
            .field("headers", &self.headers)
            .field("max", &self.max)
            .field("is_off", &self.is_off)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AcceptDeadlineLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptDeadlineLayerBuilder")
            .field("name", self.reporter.name())
            .field("headers", &self.headers)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}
