//! The layer and what its services share.

use std::{error::Error, fmt};

use buttress_core::{BoxError, EventKind, Judgement, Outcome, Plain, Recording, Reporter, Striped};
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{
    Failure, Fallback, FallbackLayerBuilder, Nothing, once_a_minute::OnceAMinute, tier::Tier,
};

/// The word for this layer in events.
pub(crate) const LAYER: &str = "fallback";

/// Gives calls that fail alternatives; see the [crate's page](crate).
///
/// `V` is the view of the request that the tiers see, and `Alt` what they answer. The layer is
/// not tied to the response of the service it is put around: one value of it serves every service
/// whose response the protocol can let an `Alt` stand in for.
pub struct FallbackLayer<V, Alt, P = Plain, K = Nothing> {
    shared: Striped<Shared<V, Alt>>,
    protocol: P,
    keep: K,
    is_off: bool,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared<V, Alt> {
    pub(crate) tiers: Vec<Tier<V, Alt>>,
    /// The place of the tier that remembers, if there is one.
    pub(crate) remembers: Option<usize>,
    pub(crate) when: Box<When>,
    pub(crate) reporter: Reporter,
}

/// Says of a call that did not succeed whether there is to be an alternative.
pub(crate) type When = dyn Fn(&Failure<'_>) -> bool + Send + Sync;

impl<Alt> FallbackLayer<(), Alt> {
    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> FallbackLayerBuilder<(), Alt> {
        FallbackLayerBuilder::new()
    }
}

impl<V, Alt, P, K> FallbackLayer<V, Alt, P, K> {
    pub(crate) fn new(shared: Shared<V, Alt>, protocol: P, keep: K) -> Self {
        Self { shared: Striped::new(shared), protocol, keep, is_off: false }
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call is judged, no tier is asked, nothing is remembered, and no view of the request is
    /// [kept](FallbackLayerBuilder::keep).
    pub fn disabled(self) -> Self {
        Self { is_off: true, ..self }
    }
}

impl<V, Alt> Shared<V, Alt> {
    /// Whether the tiers are asked. A success is never theirs, whatever the predicate says.
    pub(crate) fn steps_in(&self, judgement: &Judgement, error: Option<&BoxError>) -> bool {
        judgement.outcome != Outcome::Success && (self.when)(&Failure::new(*judgement, error))
    }

    /// Says that this tier failed, and whether that was said already.
    pub(crate) fn tell(
        &self,
        tier: &Tier<V, Alt>,
        cause: &(dyn Error + 'static),
        said: &OnceAMinute,
    ) {
        let (tier, again) = (&*tier.name, said.again(Instant::now()));
        self.reporter.report(EventKind::TierFailed { tier, cause, again });
    }

    /// What takes the copy of a good answer, if there is anything to.
    #[inline]
    pub(crate) fn recording(&self, view: &V) -> Option<Recording> {
        self.remembers.and_then(|tier| self.record(tier, view))
    }

    // Never inlined: it costs layers that remember nothing two nanoseconds, for what they never do.
    #[inline(never)]
    fn record(&self, tier: usize, view: &V) -> Option<Recording> {
        self.tiers.get(tier)?.remembers()?.record(view, &self.reporter)
    }
}

impl<S, V, Alt, P: Clone, K: Clone> Layer<S> for FallbackLayer<V, Alt, P, K> {
    type Service = Fallback<S, V, Alt, P, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let (protocol, keep) = (self.protocol.clone(), self.keep.clone());
        Fallback::new(inner, self.shared.clone(), protocol, keep, self.is_off)
    }
}

// By hand: a derived one would ask the view and the alternative to be `Clone`.
impl<V, Alt, P: Clone, K: Clone> Clone for FallbackLayer<V, Alt, P, K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            protocol: self.protocol.clone(),
            keep: self.keep.clone(),
            is_off: self.is_off,
        }
    }
}

impl<V, Alt, P, K> fmt::Debug for FallbackLayer<V, Alt, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl<V, Alt> fmt::Debug for Shared<V, Alt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("name", self.reporter.name())
            .field("tiers", &self.tiers)
            .finish_non_exhaustive()
    }
}
