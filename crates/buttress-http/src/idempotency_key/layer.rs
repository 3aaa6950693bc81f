//! The layer.

use std::sync::Arc;

use buttress_core::Randomness;
use http::HeaderValue;
use tower_layer::Layer;

use super::IdempotencyKey;

/// Gives each call a key that makes it safe to send twice; see the [module's page](super).
#[derive(Debug, Clone, Default)]
pub struct IdempotencyKeyLayer {
    keys: Keys,
}

/// Where the keys come from; clones draw from the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    randomness: Arc<Randomness>,
}

impl IdempotencyKeyLayer {
    /// A layer whose keys nobody can foresee.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws keys from one generator that starts at `seed`, shared by all calls of the layer, so
    /// that a run can be repeated. For tests: whoever knows the seed knows the keys. Default: each
    /// thread's own generator, seeded by the operating system.
    pub fn rng(seed: u64) -> Self {
        Self { keys: Keys { randomness: Arc::new(Randomness::seeded(seed)) } }
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
