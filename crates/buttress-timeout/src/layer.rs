//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Plain, Rejection, RejectionKind, Reporter, Striped};
use tower_layer::Layer;

use crate::{Fixed, Timeout, TimeoutHandle, handle::Counts, limits::Limits};

/// The word for the layers of this crate in errors and events.
pub(crate) const LAYER: &str = "timeout";

/// Bounds each call, as a whole and in its phases; see the [crate's page](crate).
#[derive(Clone)]
pub struct TimeoutLayer<P = Plain, A = Fixed> {
    shared: Striped<Shared>,
    protocol: P,
    allowance: A,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) reporter: Reporter,
    pub(crate) counts: Counts,
    /// Whether the layer is switched off. Then there are no limits.
    pub(crate) is_off: bool,
}

impl Shared {
    /// Refuses a call whose time was up before it began.
    pub(crate) fn refuse(&self) -> Rejection {
        self.counts.refused();
        self.reporter.reject(RejectionKind::DeadlineExceeded { called: false })
    }

    /// Tells of a call that was cut.
    pub(crate) fn cut(&self, kind: RejectionKind) -> Rejection {
        self.counts.cut(&kind);
        self.reporter.reject(kind)
    }
}

impl TimeoutLayer {
    /// A layer that allows each call `overall` in all; `Duration::MAX` means never cut.
    ///
    /// For plain values: around HTTP give the [builder](Self::builder) the protocol, or the time
    /// ends with the head of the response.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `overall` is zero.
    pub fn new(overall: Duration) -> Result<Self, ConfigError> {
        Self::builder().overall(overall).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> TimeoutLayerBuilder {
        TimeoutLayerBuilder {
            limits: Limits::default(),
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            allowance: Fixed,
        }
    }
}

impl<P, A> TimeoutLayer<P, A> {
    /// The handle by which the layer's counts are read.
    pub fn handle(&self) -> TimeoutHandle {
        TimeoutHandle::new(Arc::clone(self.shared.shared()))
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// Neither a limit of its own nor a deadline that comes with the call cuts or refuses one, and
    /// [`per_request`](TimeoutLayerBuilder::per_request) is not asked. Its [handle](Self::handle) has
    /// counts of its own, which stay at zero.
    pub fn disabled(self) -> Self {
        let (limits, counts) = (Limits::default(), Counts::default());
        let reporter = self.shared.reporter.clone();
        Self { shared: Striped::new(Shared { limits, reporter, counts, is_off: true }), ..self }
    }
}

/// Builds a [`TimeoutLayer`].
pub struct TimeoutLayerBuilder<P = Plain, A = Fixed> {
    limits: Limits,
    reporter: Reporter,
    protocol: P,
    allowance: A,
}

impl<P, A> TimeoutLayerBuilder<P, A> {
    /// Allows each call this long in all: the inner service becoming ready, the response head,
    /// and its body. Default: no limit. `Duration::MAX` means no limit, too.
    pub fn overall(mut self, limit: Duration) -> Self {
        self.limits.overall = Some(limit);
        self
    }

    /// Allows the response head this long from the call on: the inner service becoming ready,
    /// the request being sent, and the dependency's thinking. Default: no limit.
    ///
    /// It is no deadline for those inside, which a body would inherit: place it innermost, around
    /// the client, and bound what queues or retries by [`overall`](Self::overall).
    pub fn response(mut self, limit: Duration) -> Self {
        self.limits.response = Some(limit);
        self
    }

    /// Allows each frame of the response body this long, from the moment that its reader asks
    /// for it. Default: no limit.
    ///
    /// A reader who takes his time is not counted; a body that trickles on for ever is not cut,
    /// for that there is [`overall`](Self::overall). It needs a [protocol](Self::protocol) that
    /// knows of bodies.
    pub fn read(mut self, limit: Duration) -> Self {
        self.limits.read = Some(limit);
        self
    }

    /// Allows each request a time of its own, by a function of it; where it says `None`,
    /// [`overall`](Self::overall) holds. What it says comes in place of `overall`, be it shorter or
    /// longer: `Some(Duration::MAX)` lifts the limit of such a request entirely. A deadline that came
    /// with the call holds all the same. A request that is allowed no time at all is refused.
    /// Default: no difference between requests.
    pub fn per_request<B>(self, allowance: B) -> TimeoutLayerBuilder<P, B> {
        let Self { limits, reporter, protocol, allowance: _ } = self;
        TimeoutLayerBuilder { limits, reporter, protocol, allowance }
    }

    /// Follows responses by this protocol. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> TimeoutLayerBuilder<Q, A> {
        let Self { limits, reporter, protocol: _, allowance } = self;
        TimeoutLayerBuilder { limits, reporter, protocol, allowance }
    }

    /// Names the layer in errors and events. Default: `"timeout"`.
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
    pub fn build(self) -> Result<TimeoutLayer<P, A>, ConfigError> {
        let Self { limits, reporter, protocol, allowance } = self;
        let (limits, counts) = (limits.check()?, Counts::default());
        Ok(TimeoutLayer {
            shared: Striped::new(Shared { limits, reporter, counts, is_off: false }),
            protocol,
            allowance,
        })
    }
}

impl<S, P: Clone, A: Clone> Layer<S> for TimeoutLayer<P, A> {
    type Service = Timeout<S, P, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let (protocol, allowance) = (self.protocol.clone(), self.allowance.clone());
        Timeout::new(inner, self.shared.clone(), protocol, allowance)
    }
}

impl<P, A> fmt::Debug for TimeoutLayer<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer")
            .field("name", self.reporter.name())
            .field("limits", &self.limits)
            .field("is_off", &self.is_off)
            .finish_non_exhaustive()
    }
}

impl<P, A> fmt::Debug for TimeoutLayerBuilder<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayerBuilder")
            .field("name", self.reporter.name())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
