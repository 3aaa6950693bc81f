//! The layer.

use std::{fmt, sync::Arc};

use buttress_core::{ConfigError, Plain};
use tower_layer::Layer;

use crate::{All, Chaos, ChaosHandle, ChaosLayerBuilder, Faults, Uncontrolled, shared::Shared};

/// Injects faults into calls; see the [crate's page](crate).
///
/// All services that one layer makes, and those that its clones make, share its faults and its
/// randomness.
#[derive(Clone)]
pub struct ChaosLayer<P = Plain, Q = All, C = Uncontrolled> {
    shared: Arc<Shared>,
    protocol: P,
    selection: Q,
    control: C,
}

impl ChaosLayer {
    /// A layer that injects these faults.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if they [panic](Faults::panics): that takes a
    /// [word to the builder](ChaosLayerBuilder::allow_panics).
    pub fn new(faults: Faults) -> Result<Self, ConfigError> {
        Self::builder().faults(faults).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> ChaosLayerBuilder {
        ChaosLayerBuilder::new()
    }
}

impl<P, Q, C> ChaosLayer<P, Q, C> {
    pub(crate) fn with(shared: Shared, protocol: P, selection: Q, control: C) -> Self {
        Self { shared: Arc::new(shared), protocol, selection, control }
    }

    /// Switches the faults while the layer runs.
    pub fn handle(&self) -> ChaosHandle {
        ChaosHandle::new(Arc::clone(&self.shared))
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// It stays off: what its [handle](Self::handle) sets does not come into force, faults that are
    /// [in force](ChaosHandle::faults) there never are, and no request is
    /// [listened to](ChaosLayerBuilder::control). To switch faults while the layer runs, begin with
    /// [`Faults::none`].
    pub fn disabled(self) -> Self {
        Self { shared: Arc::new(self.shared.off()), ..self }
    }
}

impl<S, P: Clone, Q: Clone, C: Clone> Layer<S> for ChaosLayer<P, Q, C> {
    type Service = Chaos<S, P, Q, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let (protocol, selection) = (self.protocol.clone(), self.selection.clone());
        Chaos::new(inner, Arc::clone(&self.shared), protocol, selection, self.control.clone())
    }
}

impl<P, Q, C> fmt::Debug for ChaosLayer<P, Q, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
