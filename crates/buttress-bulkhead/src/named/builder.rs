//! The builder of a layer with several compartments.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Plain, Reporter};
use tokio::runtime::Handle;

use super::{Complete, Named, NamedCompartments};
use crate::{BulkheadLayer, Compartment, InPlace, OnRuntime, shared::LAYER};

/// Builds a [`BulkheadLayer`] with several compartments; made by [`BulkheadLayer::compartments`].
pub struct CompartmentsBuilder<P, F, R = InPlace> {
    compartments: Vec<Compartment>,
    default: Option<Compartment>,
    max_wait: Option<Duration>,
    name: F,
    reporter: Reporter,
    protocol: P,
    runner: R,
}

impl<F> CompartmentsBuilder<Plain, F> {
    pub(crate) fn new(name: F) -> Self {
        Self {
            compartments: Vec::new(),
            default: None,
            max_wait: None,
            name,
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            runner: InPlace,
        }
    }
}

impl<P, F, R> CompartmentsBuilder<P, F, R> {
    /// Adds this compartment, often as a pair of its name and how many calls it lets pass at once. One at
    /// least is required, or a default.
    pub fn compartment(mut self, compartment: impl Into<Compartment>) -> Self {
        self.compartments.push(compartment.into());
        self
    }

    /// Adds this compartment, and runs its calls on this runtime, each as a task of its own; see
    /// [`BulkheadLayerBuilder::on_runtime`](crate::BulkheadLayerBuilder::on_runtime).
    pub fn compartment_on_runtime(
        mut self,
        compartment: impl Into<Compartment>,
        runtime: Handle,
    ) -> CompartmentsBuilder<P, F, OnRuntime> {
        let mut compartment = compartment.into();
        compartment.run_on(runtime);
        self.compartments.push(compartment);
        let Self { compartments, default, max_wait, name, reporter, protocol, runner: _ } = self;
        let runner = OnRuntime;
        CompartmentsBuilder { compartments, default, max_wait, name, reporter, protocol, runner }
    }

    /// Adds this compartment, and gives it all requests that name none of the others. Default: they
    /// are refused, as [`UnknownCompartment`](buttress_core::RejectionKind::UnknownCompartment): a name that nobody
    /// has thought of is a mistake, and would otherwise take places that are meant for others. Its calls
    /// run where they are polled.
    pub fn default_compartment(mut self, compartment: impl Into<Compartment>) -> Self {
        self.default = Some(compartment.into());
        self
    }

    /// Lets a call that finds no free place wait this long for one, in each compartment that says nothing
    /// of its own; see [`BulkheadLayerBuilder::max_wait`](crate::BulkheadLayerBuilder::max_wait).
    /// Default: zero, it is refused at once.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.max_wait = Some(limit);
        self
    }

    /// Follows responses by this protocol, and judges them by it where a limit learns. Default:
    /// [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> CompartmentsBuilder<Q, F, R> {
        let Self { compartments, default, max_wait, name, reporter, protocol: _, runner } = self;
        CompartmentsBuilder { compartments, default, max_wait, name, reporter, protocol, runner }
    }

    /// Names the layer. Default: `"bulkhead"`. Errors and events name the compartment as well, as
    /// `bulkhead/payment`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no compartment, two have the same name, or a setting of one is wrong,
    /// as [for one alone](crate::BulkheadLayerBuilder::build).
    pub fn build(self) -> Result<BulkheadLayer<P, NamedCompartments<F>, R>, ConfigError> {
        let Self { compartments, default, max_wait, name, reporter, protocol, runner } = self;
        let complete = |mut compartment: Compartment| {
            compartment.or_max_wait(max_wait);
            compartment.complete()
        };
        let compartments = compartments.into_iter().map(complete).collect::<Result<_, _>>()?;
        let default = default.map(complete).transpose()?;
        let (compartments, default) = in_order(compartments, default)?;
        let named = Arc::new(Named::new(compartments, default, reporter));
        Ok(BulkheadLayer::with(NamedCompartments { named, name }, protocol, runner))
    }
}

/// All compartments by their names, and where among them the default is.
fn in_order(
    mut all: Vec<Complete>,
    default: Option<Complete>,
) -> Result<(Vec<Complete>, Option<usize>), ConfigError> {
    let default_name = default.as_ref().map(|(name, _)| Arc::clone(name));
    all.extend(default);
    if all.is_empty() {
        return Err(ConfigError::new("compartment", "not set", "set at least once"));
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    for pair in all.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(ConfigError::new("compartment", &pair[0].0, "a name of its own"));
        }
    }
    let default = default_name.and_then(|name| all.iter().position(|(other, _)| *other == name));
    Ok((all, default))
}

impl<P, F, R> fmt::Debug for CompartmentsBuilder<P, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompartmentsBuilder")
            .field("name", self.reporter.name())
            .field("compartments", &self.compartments)
            .field("default", &self.default)
            .field("max_wait", &self.max_wait)
            .finish_non_exhaustive()
    }
}
