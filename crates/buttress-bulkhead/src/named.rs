//! Several compartments, each with a name.

mod builder;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use buttress_core::{BoxError, RejectionKind, Reporter};

pub use self::builder::CompartmentsBuilder;
use crate::{
    BulkheadHandle, BulkheadLayer, Compartments, compartments::Sealed, settings, shared::Shared,
};

/// One compartment for each of a set of names.
pub struct NamedCompartments<F> {
    named: Arc<Named>,
    name: F,
}

/// The compartments of a layer, in an operator's hand.
#[derive(Clone)]
pub struct CompartmentsHandle {
    named: Arc<Named>,
}

/// A name, and what holds for the compartment of that name.
type Complete = (Arc<str>, Arc<settings::Complete>);

struct Named {
    // By name, in this order.
    compartments: Box<[(Arc<str>, BulkheadHandle)]>,
    // Its place among them.
    default: Option<usize>,
    unknown: AtomicU64,
    reporter: Reporter,
}

impl Named {
    fn new(
        compartments: impl IntoIterator<Item = Complete>,
        default: Option<usize>,
        reporter: Reporter,
    ) -> Self {
        let make = |(name, settings): Complete| {
            let shared = Shared::new(settings, reporter.of_part(&name));
            (name, BulkheadHandle::new(Arc::new(shared)))
        };
        let compartments = compartments.into_iter().map(make).collect();
        Self { compartments, default, unknown: AtomicU64::new(0), reporter }
    }

    /// The same compartments, with places of their own.
    fn isolated(&self) -> Self {
        let again = |(name, of): &(Arc<str>, BulkheadHandle)| {
            (Arc::clone(name), Arc::clone(of.shared().settings()))
        };
        Self::new(self.compartments.iter().map(again), self.default, self.reporter.clone())
    }

    /// The compartment that requests of this name belong to.
    fn choose(&self, name: &str) -> Option<&BulkheadHandle> {
        self.get(name).or_else(|| Some(&self.compartments[self.default?].1))
    }

    fn get(&self, name: &str) -> Option<&BulkheadHandle> {
        let at = self.compartments.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.compartments[at].1)
    }

    #[cold]
    fn reject_unknown(&self, name: &str) -> BoxError {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        let kind = RejectionKind::UnknownCompartment { compartment: Arc::from(name) };
        self.reporter.reject(kind).into()
    }
}

impl<P, F, R> BulkheadLayer<P, NamedCompartments<F>, R> {
    /// The compartments, for whoever operates them.
    pub fn handle(&self) -> CompartmentsHandle {
        CompartmentsHandle { named: Arc::clone(&self.compartments.named) }
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call is asked for its compartment, so none is refused because there is no such one; for the
    /// rest it is as where there is [one](BulkheadLayer::disabled). Its [handle](Self::handle) has the
    /// same compartments, in which nobody ever is.
    pub fn disabled(self) -> Self {
        let NamedCompartments { named, name } = self.compartments;
        let compartments = NamedCompartments { named: Arc::new(named.isolated()), name };
        Self::off(compartments, self.protocol, self.runner)
    }
}

impl<P: Clone, F: Clone, R: Clone> BulkheadLayer<P, NamedCompartments<F>, R> {
    /// A layer with the same compartments, name and observer, and with places of its own.
    pub fn isolated(&self) -> Self {
        if self.is_off {
            return self.clone().disabled();
        }
        let NamedCompartments { named, name } = &self.compartments;
        let compartments =
            NamedCompartments { named: Arc::new(named.isolated()), name: name.clone() };
        Self::with(compartments, self.protocol.clone(), self.runner.clone())
    }
}

impl<Req, F> Compartments<Req> for NamedCompartments<F>
where
    F: Fn(&Req) -> &str,
{
    #[inline]
    fn compartment(&self, request: &Req) -> Result<BulkheadHandle, BoxError> {
        let name = (self.name)(request);
        let chosen = self.named.choose(name).cloned();
        chosen.ok_or_else(|| self.named.reject_unknown(name))
    }
}

impl<F> Sealed for NamedCompartments<F> {}

impl CompartmentsHandle {
    /// The names of the compartments, the default one's among them, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.compartments.iter().map(|(name, _)| &**name)
    }

    /// The compartment of this name.
    pub fn get(&self, name: &str) -> Option<&BulkheadHandle> {
        self.named.get(name)
    }

    /// All compartments with their names, in the order of these.
    pub fn handles(&self) -> impl Iterator<Item = (&str, &BulkheadHandle)> {
        self.named.compartments.iter().map(|(name, handle)| (&**name, handle))
    }

    /// How many calls were refused, ever, because they named no compartment that there is.
    pub fn unknown(&self) -> u64 {
        self.named.unknown.load(Ordering::Relaxed)
    }
}

impl<F: Clone> Clone for NamedCompartments<F> {
    fn clone(&self) -> Self {
        Self { named: Arc::clone(&self.named), name: self.name.clone() }
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.compartments.iter().map(|(name, of)| (name, of.shared())))
            .finish()
    }
}

impl<F> fmt::Debug for NamedCompartments<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named.fmt(f)
    }
}

impl fmt::Debug for CompartmentsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.handles().map(|(name, of)| (name, of.snapshot()))).finish()
    }
}
