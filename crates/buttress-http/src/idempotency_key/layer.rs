//! The layer and its builder.

use std::sync::Arc;

use buttress_core::Randomness;
use http::HeaderValue;
use tower_layer::Layer;

use super::IdempotencyKey;

/// Gives each call a key that makes it safe to send twice; see the [module's page](super).
#[derive(Debug, Clone)]
pub struct IdempotencyKeyLayer {
    // None if it is switched off.
    keys: Option<Keys>,
}

/// Where the keys come from; clones draw from the same.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    randomness: Arc<Randomness>,
}

impl IdempotencyKeyLayer {
    /// A layer whose keys nobody can foresee.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A builder; see the [table of settings](super#settings).
    pub fn builder() -> IdempotencyKeyLayerBuilder {
        IdempotencyKeyLayerBuilder { randomness: Randomness::default() }
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    pub fn disabled(self) -> Self {
        Self { keys: None }
    }
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds an [`IdempotencyKeyLayer`].
#[derive(Debug)]
pub struct IdempotencyKeyLayerBuilder {
    randomness: Randomness,
}

impl IdempotencyKeyLayerBuilder {
    /// Draws keys from one generator that starts at `seed`, shared by all calls of the layer, so
    /// that a test can be repeated. Default: each thread's own generator, seeded by the operating
    /// system.
    ///
    /// Never in production: after a restart the same keys come again, and a server takes new
    /// requests for old ones.
    pub fn rng(mut self, seed: u64) -> Self {
        self.randomness = Randomness::seeded(seed);
        self
    }

    /// Builds the layer. There is nothing to refuse.
    pub fn build(self) -> IdempotencyKeyLayer {
        IdempotencyKeyLayer { keys: Some(Keys { randomness: Arc::new(self.randomness) }) }
    }
}

impl Keys {
    pub(super) fn draw(&self) -> HeaderValue {
        let mut bytes = [0; 16];
        self.randomness.with(|rng| rng.fill_bytes(&mut bytes));
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        HeaderValue::try_from(format!("\"{uuid}\"")).expect("hexadecimal digits and quotes")
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = IdempotencyKey<S>;

    fn layer(&self, inner: S) -> IdempotencyKey<S> {
        IdempotencyKey::new(inner, self.keys.clone())
    }
}
