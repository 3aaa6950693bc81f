//! The layer.

use std::{fmt, sync::Arc};

use buttress_core::{ConfigError, Plain, Reporter};
use tower_layer::Layer;

use crate::{
    Bulkhead, BulkheadHandle, BulkheadLayerBuilder, CompartmentsBuilder, InPlace, OneCompartment,
    readiness::Readiness, settings::Complete, shared::Shared,
};

/// Bounds how many calls are under way at once; see the [crate's page](crate).
///
/// All services that a layer and its clones make share its places.
#[derive(Clone)]
pub struct BulkheadLayer<P = Plain, C = OneCompartment, R = InPlace> {
    pub(crate) compartments: C,
    pub(crate) protocol: P,
    pub(crate) runner: R,
    readiness: Readiness,
    pub(crate) is_off: bool,
}

impl BulkheadLayer {
    /// A layer that lets `max_concurrent` calls pass at once and refuses the others at once.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_concurrent` is not from 1 to 1,000,000.
    pub fn new(max_concurrent: usize) -> Result<Self, ConfigError> {
        Self::builder().max_concurrent(max_concurrent).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> BulkheadLayerBuilder {
        BulkheadLayerBuilder::new()
    }

    /// A builder of a layer with several compartments, each with a name, places and a queue of its own:
    /// this function says which one a request belongs to.
    ///
    /// The name is borrowed from the request, or is a constant. The function is best a closure that is
    /// written in its place here: of one that was bound to a variable before, or a function that returns
    /// `&'static str`, the compiler says that its types are not general enough.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use buttress_bulkhead::{BulkheadLayer, Compartment};
    ///
    /// struct Call {
    ///     to: &'static str,
    /// }
    ///
    /// # fn main() -> Result<(), buttress_core::ConfigError> {
    /// let layer = BulkheadLayer::compartments(|call: &Call| call.to)
    ///     .compartment(("payment", 10))
    ///     .compartment(("inventory", 15))
    ///     .compartment(Compartment::new("email", 5).max_queue(50))
    ///     .max_wait(Duration::from_secs(1))
    ///     .build()?;
    /// assert_eq!(layer.handle().get("email").expect("it is there").limit(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compartments<Req, F>(name: F) -> CompartmentsBuilder<Plain, F>
    where
        F: Fn(&Req) -> &str,
    {
        CompartmentsBuilder::new(name)
    }
}

impl<P, C, R> BulkheadLayer<P, C, R> {
    pub(crate) fn with(compartments: C, protocol: P, runner: R) -> Self {
        Self { compartments, protocol, runner, readiness: Readiness::default(), is_off: false }
    }

    /// Switched off, with places that no call takes.
    pub(crate) fn off(compartments: C, protocol: P, runner: R) -> Self {
        Self { is_off: true, ..Self::with(compartments, protocol, runner) }
    }
}

impl<P, R> BulkheadLayer<P, OneCompartment, R> {
    pub(crate) fn of(settings: Arc<Complete>, reporter: Reporter, protocol: P, runner: R) -> Self {
        let backpressure = settings.backpressure;
        let compartments = OneCompartment::new(Shared::new(settings, reporter));
        let mut layer = Self::with(compartments, protocol, runner);
        if backpressure {
            layer.readiness = Readiness::new(layer.handle());
        }
        layer
    }

    /// The bulkhead, for whoever operates it.
    pub fn handle(&self) -> BulkheadHandle {
        self.compartments.handle()
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call takes a place, waits for one or is told to a [limit](BulkheadLayerBuilder::limit), and
    /// `poll_ready` is always ready, also under [`backpressure`](BulkheadLayerBuilder::backpressure).
    /// Calls are made where they are polled, and not on a [runtime](BulkheadLayerBuilder::on_runtime) that
    /// the layer has: a panic is a panic again, and what blocks blocks its caller. Its
    /// [handle](Self::handle) is that of a bulkhead of its own, of the same limit, in which nobody ever is.
    pub fn disabled(self) -> Self {
        let (settings, reporter) = self.settings();
        let compartments = OneCompartment::new(Shared::new(settings, reporter));
        Self::off(compartments, self.protocol, self.runner)
    }

    fn settings(&self) -> (Arc<Complete>, Reporter) {
        let handle = self.handle();
        let shared = handle.shared();
        (Arc::clone(shared.settings()), shared.reporter().clone())
    }
}

impl<P: Clone, R: Clone> BulkheadLayer<P, OneCompartment, R> {
    /// A layer with the same settings, name and observer, and with places of its own.
    pub fn isolated(&self) -> Self {
        if self.is_off {
            return self.clone().disabled();
        }
        let (settings, reporter) = self.settings();
        Self::of(settings, reporter, self.protocol.clone(), self.runner.clone())
    }
}

impl<S, P: Clone, C: Clone, R: Clone> Layer<S> for BulkheadLayer<P, C, R> {
    type Service = Bulkhead<S, P, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let (compartments, protocol) = (self.compartments.clone(), self.protocol.clone());
        let (runner, readiness) = (self.runner.clone(), self.readiness.clone());
        Bulkhead::new(inner, compartments, protocol, runner, readiness, self.is_off)
    }
}

impl<P, C: fmt::Debug, R> fmt::Debug for BulkheadLayer<P, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadLayer").field(&self.compartments).finish()
    }
}
