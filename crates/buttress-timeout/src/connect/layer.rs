//! The layer.

use std::{sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Reporter};
use tower_layer::Layer;

use super::ConnectTimeout;
use crate::{layer::LAYER, limits::finite};

/// The name of the layer until it is given another.
const NAME: &str = "connect";

/// Allows each connection so long to be made; see the [module's page](super).
#[derive(Debug, Clone)]
pub struct ConnectTimeoutLayer {
    limit: Option<Duration>,
    reporter: Reporter,
}

impl ConnectTimeoutLayer {
    /// A layer that allows each connection `limit`; `Duration::MAX` means never cut.
    ///
    /// From 1 to 5 s is usual: a handshake takes a few round trips, and one lost packet of it
    /// costs a second until it is sent again.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `limit` is zero.
    pub fn new(limit: Duration) -> Result<Self, ConfigError> {
        ConfigError::check_not_zero("limit", limit)?;
        let mut reporter = Reporter::new(LAYER);
        reporter.set_name(NAME);
        Ok(Self { limit: finite(limit), reporter })
    }

    /// Names the layer in errors and events. Default: `"connect"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// The same layer, switched off: connections are made as if it were not there. Of the same type,
    /// so that a setting can decide: `if on { layer } else { layer.disabled() }`.
    pub fn disabled(self) -> Self {
        Self { limit: None, ..self }
    }
}

impl<S> Layer<S> for ConnectTimeoutLayer {
    type Service = ConnectTimeout<S>;

    fn layer(&self, inner: S) -> ConnectTimeout<S> {
        ConnectTimeout::new(inner, self.limit, self.reporter.clone())
    }
}
