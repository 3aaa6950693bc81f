//! The layer and its builder.

use std::{fmt, sync::Arc};

use buttress_core::{EventKind, Observer, Randomness, Rejection, RejectionKind, Reporter};
use tower_layer::Layer;

use crate::{Chaos, ChaosHandle, Faults, faults::Injection, handle::Switch};

/// The word for this layer in errors and events.
const LAYER: &str = "chaos";

/// Injects faults into calls; see the [crate's page](crate).
///
/// All services that one layer makes, and those that its clones make, share its faults and its
/// randomness.
#[derive(Clone)]
pub struct ChaosLayer {
    shared: Arc<Shared>,
}

/// What every service of one layer shares.
pub(crate) struct Shared {
    pub(crate) switch: Switch,
    rng: Randomness,
    reporter: Reporter,
}

impl ChaosLayer {
    /// A layer that injects these faults.
    pub fn new(faults: Faults) -> Self {
        Self::builder().faults(faults).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> ChaosLayerBuilder {
        ChaosLayerBuilder {
            faults: Faults::none(),
            rng: Randomness::default(),
            reporter: Reporter::new(LAYER),
        }
    }

    /// Switches the faults while the layer runs.
    pub fn handle(&self) -> ChaosHandle {
        ChaosHandle::new(Arc::clone(&self.shared))
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// It stays off: what its [handle](Self::handle) sets does not come into force, and faults that are
    /// [in force](ChaosHandle::faults) there never are. To switch faults while the layer runs, begin with
    /// [`Faults::none`].
    pub fn disabled(self) -> Self {
        let (switch, reporter) = (Switch::off(), self.shared.reporter.clone());
        Self { shared: Arc::new(Shared { switch, rng: Randomness::default(), reporter }) }
    }
}

/// Builds a [`ChaosLayer`].
pub struct ChaosLayerBuilder {
    faults: Faults,
    rng: Randomness,
    reporter: Reporter,
}

impl ChaosLayerBuilder {
    /// Begins with these faults in force. Default: [`Faults::none`].
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Draws from one generator that starts at `seed`, shared by all calls of the layer, so that
    /// a run can be repeated: the same faults strike the same calls, counted from the first one
    /// made while any fault is in force. Default: each thread's own generator, seeded by the
    /// operating system.
    pub fn rng(mut self, seed: u64) -> Self {
        self.rng = Randomness::seeded(seed);
        self
    }

    /// Names the layer in errors and events. Default: `"chaos"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// Builds the layer. There is nothing to refuse: [`Faults`] were checked when they were made.
    pub fn build(self) -> ChaosLayer {
        let Self { faults, rng, reporter } = self;
        let shared = Shared { switch: Switch::new(faults), rng, reporter };
        ChaosLayer { shared: Arc::new(shared) }
    }
}

impl Shared {
    /// What the call that is being made gets.
    pub(crate) fn draw(&self) -> Injection {
        match self.switch.in_force() {
            Some(faults) => self.rng.with(|rng| faults.draw(rng)),
            None => Injection::default(),
        }
    }

    /// Tells the observer that a call is being delayed.
    pub(crate) fn delayed(&self) {
        self.injected("latency");
    }

    /// Makes the error and tells the observer of it.
    pub(crate) fn fail(&self) -> Rejection {
        self.injected("error");
        self.reporter.rejection(RejectionKind::Injected)
    }

    fn injected(&self, fault: &str) {
        self.reporter.report(EventKind::Injected { fault });
    }
}

impl<S> Layer<S> for ChaosLayer {
    type Service = Chaos<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Chaos::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for ChaosLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosLayer")
            .field("name", self.reporter.name())
            .field("in_force", &self.switch.in_force())
            .field("rng", &self.rng)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChaosLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosLayerBuilder")
            .field("name", self.reporter.name())
            .field("faults", &self.faults)
            .field("rng", &self.rng)
            .finish_non_exhaustive()
    }
}
