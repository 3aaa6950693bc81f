//! The layer and its builder.

use buttress_core::ConfigError;
use http::StatusCode;
use tower_layer::Layer;

use super::{Respond, answers::Answers};

/// Turns errors into responses; see the [module's page](super).
///
/// It has no `disabled`, as other layers have: switched off it would pass on errors, and its own error
/// is `Infallible`.
#[derive(Debug, Clone, Copy)]
pub struct RespondLayer {
    answers: Answers,
}

impl RespondLayer {
    /// A layer that answers by the table of the [module's page](super).
    pub const fn new() -> Self {
        Self { answers: Answers::new() }
    }

    /// A builder; see the [table of settings](super#settings).
    pub const fn builder() -> RespondLayerBuilder {
        RespondLayerBuilder { answers: Answers::new() }
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
        Respond::new(inner, self.answers)
    }
}

/// Builds a [`RespondLayer`].
#[derive(Debug, Clone, Copy)]
pub struct RespondLayerBuilder {
    answers: Answers,
}

impl RespondLayerBuilder {
    /// The status for a bulkhead that is full. Default: 503, which says that the server is
    /// overloaded; 429 says that this caller should slow down, which fits a compartment per caller.
    pub const fn when_full(mut self, status: StatusCode) -> Self {
        self.answers.full = status;
        self
    }

    /// The status for an error that is none of ours. Default: 502, for most stacks are in front of
    /// another server; 500 fits around what answers by itself.
    pub const fn other_errors(mut self, status: StatusCode) -> Self {
        self.answers.other = status;
        self
    }

    /// The code of gRPC for a bulkhead that is full. Default: 14, UNAVAILABLE, which clients repeat;
    /// 8, RESOURCE_EXHAUSTED, says that this caller has used up what he may.
    pub const fn grpc_when_full(mut self, code: u16) -> Self {
        self.answers.grpc_full = code;
        self
    }

    /// The code of gRPC for an error that is none of ours. Default: 14, UNAVAILABLE; 13, INTERNAL, fits
    /// around what answers by itself.
    pub const fn grpc_other_errors(mut self, code: u16) -> Self {
        self.answers.grpc_other = code;
        self
    }

    /// Also says what the error says: which layer, its name, its limits, and the addresses that an
    /// error of a client may contain, up to 1,000 bytes. Default: it does not, for whoever asks from
    /// outside has no need to know.
    pub const fn details(mut self) -> Self {
        self.answers.details = true;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a status of HTTP that is no error, outside 400 to 599, and for a code of gRPC
    /// that is none, outside 1 to 16.
    pub fn build(self) -> Result<RespondLayer, ConfigError> {
        let Answers { full, other, grpc_full, grpc_other, details: _ } = self.answers;
        for (setting, status) in [("when_full", full), ("other_errors", other)] {
            if !(status.is_client_error() || status.is_server_error()) {
                return Err(ConfigError::new(setting, status, "an error status, 400 to 599"));
            }
        }
        for (setting, code) in [("grpc_when_full", grpc_full), ("grpc_other_errors", grpc_other)] {
            if !(1..=16).contains(&code) {
                return Err(ConfigError::new(setting, code, "a code of an error, 1 to 16"));
            }
        }
        Ok(RespondLayer { answers: self.answers })
    }
}
