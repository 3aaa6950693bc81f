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
        Self { compartments, protocol, runner, readiness: Readiness::default() }
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
}

impl<P: Clone, R: Clone> BulkheadLayer<P, OneCompartment, R> {
    /// A layer with the same settings, name and observer, and with places of its own.
    pub fn isolated(&self) -> Self {
        let handle = self.handle();
        let shared = handle.shared();
        let (settings, reporter) = (Arc::clone(shared.settings()), shared.reporter().clone());
        Self::of(settings, reporter, self.protocol.clone(), self.runner.clone())
    }
}

impl<S, P: Clone, C: Clone, R: Clone> Layer<S> for BulkheadLayer<P, C, R> {
    type Service = Bulkhead<S, P, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let (compartments, protocol) = (self.compartments.clone(), self.protocol.clone());
        Bulkhead::new(inner, compartments, protocol, self.runner.clone(), self.readiness.clone())
    }
}

impl<P, C: fmt::Debug, R> fmt::Debug for BulkheadLayer<P, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadLayer").field(&self.compartments).finish()
    }
}
