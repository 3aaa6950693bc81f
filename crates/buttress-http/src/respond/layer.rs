//! The layer.

use buttress_core::ConfigError;
use http::StatusCode;
use tower_layer::Layer;

use super::Respond;

/// Turns errors into responses; see the [module's page](super).
#[derive(Debug, Clone, Copy)]
pub struct RespondLayer {
    full: StatusCode,
}

impl RespondLayer {
    /// A layer that answers by the table of the [module's page](super).
    pub const fn new() -> Self {
        Self { full: StatusCode::SERVICE_UNAVAILABLE }
    }

    /// The status for a bulkhead that is full: 503, the default, says that the server is
    /// overloaded; 429 says that this caller should slow down, which fits a compartment per
    /// caller. A gRPC request is told UNAVAILABLE, whatever is set here.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a status that is no error, outside 400 to 599.
    pub fn when_full(mut self, status: StatusCode) -> Result<Self, ConfigError> {
        if !(status.is_client_error() || status.is_server_error()) {
            return Err(ConfigError::new("when_full", status, "an error status, 400 to 599"));
        }
        self.full = status;
        Ok(self)
    }
}

impl Default for RespondLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Respond<S> {
        Respond::new(inner, self.full)
    }
}
