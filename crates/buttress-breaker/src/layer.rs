//! The layer.

use std::{fmt, sync::Arc};

use buttress_core::{Plain, Reporter};
use tower_layer::Layer;

use crate::{
    Breaker, BreakerHandle, BreakerLayerBuilder, OneCircuit, readiness::Readiness,
    settings::Settings, shared::Shared,
};

/// Refuses calls to a dependency that fails, until it has recovered; see the
/// [crate's page](crate).
///
/// All services that a layer and its clones make share one circuit, or one for each key.
#[derive(Clone)]
pub struct BreakerLayer<P = Plain, C = OneCircuit> {
    pub(crate) circuits: C,
    pub(crate) protocol: P,
    readiness: Readiness,
    pub(crate) is_off: bool,
}

impl BreakerLayer {
    /// A layer with every [setting](crate#settings) at its default.
    pub fn new() -> Self {
        Self::builder().build().expect("the defaults are valid")
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> BreakerLayerBuilder {
        BreakerLayerBuilder::new()
    }
}

impl Default for BreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<P, C> BreakerLayer<P, C> {
    pub(crate) fn with(circuits: C, protocol: P, readiness: Readiness) -> Self {
        Self { circuits, protocol, readiness, is_off: false }
    }

    /// Switched off, with circuits that no call belongs to.
    pub(crate) fn off(circuits: C, protocol: P) -> Self {
        Self { circuits, protocol, readiness: Readiness::default(), is_off: true }
    }
}

impl<P> BreakerLayer<P> {
    pub(crate) fn of(settings: Arc<Settings>, reporter: Reporter, protocol: P) -> Self {
        let readiness = settings.readiness;
        let circuit = OneCircuit::new(Shared::new(settings, reporter));
        let readiness = Readiness::new(readiness, || Some(circuit.handle()));
        Self::with(circuit, protocol, readiness)
    }

    /// The circuit, for whoever operates it.
    pub fn handle(&self) -> BreakerHandle {
        self.circuits.handle()
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call is judged, and `poll_ready` is always ready, also with
    /// [`readiness`](BreakerLayerBuilder::readiness). Its [handle](Self::handle) is that of a circuit of
    /// its own, which no call belongs to: closed, with nothing counted. What an operator does to it is
    /// seen by those who look, and by no call. A call costs an allocation.
    pub fn disabled(self) -> Self {
        let (settings, reporter) = self.settings();
        Self::off_with(settings, reporter, self.protocol)
    }

    fn off_with(settings: Arc<Settings>, reporter: Reporter, protocol: P) -> Self {
        Self::off(OneCircuit::new(Shared::new(settings, reporter)), protocol)
    }

    fn settings(&self) -> (Arc<Settings>, Reporter) {
        let handle = self.circuits.handle();
        let shared = handle.shared();
        (Arc::clone(shared.settings()), shared.reporter().clone())
    }
}

impl<P: Clone> BreakerLayer<P> {
    /// A layer of the same settings, name and observer with a circuit of its own, closed.
    pub fn isolated(&self) -> Self {
        let (settings, reporter) = self.settings();
        if self.is_off {
            return Self::off_with(settings, reporter, self.protocol.clone());
        }
        Self::of(settings, reporter, self.protocol.clone())
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for BreakerLayer<P, C> {
    type Service = Breaker<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let (circuits, protocol) = (self.circuits.clone(), self.protocol.clone());
        Breaker::new(inner, circuits, protocol, self.readiness.clone(), self.is_off)
    }
}

impl<P, C: fmt::Debug> fmt::Debug for BreakerLayer<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.circuits.fmt(f)
    }
}
