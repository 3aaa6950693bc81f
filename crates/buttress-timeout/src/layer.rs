//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Plain, Reporter};
use tower_layer::Layer;

use crate::{Fixed, Timeout};

/// The word for this layer in errors and events.
const LAYER: &str = "timeout";

/// Bounds each call by a limit on the whole of it; see the [crate's page](crate).
#[derive(Clone)]
pub struct TimeoutLayer<P = Plain, A = Fixed> {
    shared: Arc<Shared>,
    protocol: P,
    allowance: A,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    pub(crate) overall: Option<Duration>,
    pub(crate) reporter: Reporter,
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
            overall: None,
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            allowance: Fixed,
        }
    }
}

/// Builds a [`TimeoutLayer`].
pub struct TimeoutLayerBuilder<P = Plain, A = Fixed> {
    overall: Option<Duration>,
    reporter: Reporter,
    protocol: P,
    allowance: A,
}

impl<P, A> TimeoutLayerBuilder<P, A> {
    /// Allows each call this long in all: the inner service becoming ready, the response head,
    /// and its body. Default: no limit. `Duration::MAX` means no limit, too.
    pub fn overall(mut self, limit: Duration) -> Self {
        self.overall = Some(limit);
        self
    }

    /// Allows each request a time of its own, by a function of it; where it says `None`,
    /// [`overall`](Self::overall) holds. A request that is allowed no time at all is refused.
    /// Default: no difference between requests.
    pub fn per_request<B>(self, allowance: B) -> TimeoutLayerBuilder<P, B> {
        let Self { overall, reporter, protocol, allowance: _ } = self;
        TimeoutLayerBuilder { overall, reporter, protocol, allowance }
    }

    /// Follows responses by this protocol. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> TimeoutLayerBuilder<Q, A> {
        let Self { overall, reporter, protocol: _, allowance } = self;
        TimeoutLayerBuilder { overall, reporter, protocol, allowance }
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
    /// [`ConfigError`] if `overall` is zero.
    pub fn build(self) -> Result<TimeoutLayer<P, A>, ConfigError> {
        let Self { overall, reporter, protocol, allowance } = self;
        if let Some(overall) = overall {
            ConfigError::check_not_zero("overall", overall)?;
        }
        let shared = Arc::new(Shared { overall, reporter });
        Ok(TimeoutLayer { shared, protocol, allowance })
    }
}

impl<S, P: Clone, A: Clone> Layer<S> for TimeoutLayer<P, A> {
    type Service = Timeout<S, P, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let (protocol, allowance) = (self.protocol.clone(), self.allowance.clone());
        Timeout::new(inner, Arc::clone(&self.shared), protocol, allowance)
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
            .field("overall", &self.overall)
            .finish_non_exhaustive()
    }
}

impl<P, A> fmt::Debug for TimeoutLayerBuilder<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayerBuilder")
            .field("name", self.reporter.name())
            .field("overall", &self.overall)
            .finish_non_exhaustive()
    }
}
