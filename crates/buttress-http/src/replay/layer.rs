//! The layer and its builder.

use buttress_core::ConfigError;
use tower_layer::Layer;

use super::Replaying;

/// Most requests of an API are smaller, and a thousand of them in flight keep 64 MiB at the worst.
const MAX_BYTES: usize = 64 * 1024;

/// A gigabyte per request: whoever wants more wants a file.
const MOST_BYTES: usize = 1 << 30;

/// Keeps what is sent of request bodies, so that they can be sent again; see the
/// [module's page](super).
///
/// It can not be switched off by `disabled`, as other layers can, and need not be: what stands inside
/// is made for a [`ReplayBody`](super::ReplayBody) in any case, which would then be one that no retry
/// can repeat, whatever it was made of. It keeps nothing as long as no retry inside takes a copy; so it is
/// off where the retry is.
#[derive(Debug, Clone, Copy)]
pub struct ReplayBodyLayer {
    max_bytes: usize,
}

impl ReplayBodyLayer {
    /// A layer with every [setting](super#settings) at its default.
    pub const fn new() -> Self {
        Self { max_bytes: MAX_BYTES }
    }

    /// A builder; see the [table of settings](super#settings).
    pub const fn builder() -> ReplayBodyLayerBuilder {
        ReplayBodyLayerBuilder { max_bytes: MAX_BYTES }
    }
}

impl Default for ReplayBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds a [`ReplayBodyLayer`].
#[derive(Debug, Clone, Copy)]
pub struct ReplayBodyLayerBuilder {
    max_bytes: usize,
}

impl ReplayBodyLayerBuilder {
    /// Keeps at most this many bytes of a body, from 1 to 2^30; a larger body is sent once.
    /// Default: 65,536.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_bytes` is outside its range.
    pub fn build(self) -> Result<ReplayBodyLayer, ConfigError> {
        ConfigError::check_count("max_bytes", self.max_bytes, MOST_BYTES)?;
        Ok(ReplayBodyLayer { max_bytes: self.max_bytes })
    }
}

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = Replaying<S>;

    fn layer(&self, inner: S) -> Replaying<S> {
        Replaying::new(inner, self.max_bytes)
    }
}
