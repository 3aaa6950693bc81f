//! The builder of the layer.

use std::{
    fmt,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use buttress_core::{
    BoxError, Classified, ConfigError, Judgement, Observer, Plain, ReadyCall, Reporter,
};
use tower_service::Service;

use crate::{
    Failure, FallbackLayer, Keep, Nothing,
    failure::leaves_no_answer,
    layer::{LAYER, Shared, When},
    tier::{Serving, Tier},
};

/// Builds a [`FallbackLayer`].
///
/// The first tier decides what all of them answer. Tiers are tried in the order in which they
/// are added.
pub struct FallbackLayerBuilder<V, Alt, P = Plain, K = Nothing> {
    reporter: Reporter,
    tiers: Vec<Tier<V, Alt>>,
    // The first tier that took a name which was taken.
    twice: Option<ConfigError>,
    when: Box<When>,
    protocol: P,
    keep: K,
}

impl<Alt> FallbackLayerBuilder<(), Alt> {
    pub(crate) fn new() -> Self {
        Self {
            reporter: Reporter::new(LAYER),
            tiers: Vec::new(),
            twice: None,
            when: Box::new(leaves_no_answer),
            protocol: Plain,
            keep: Nothing,
        }
    }
}

impl<Alt: 'static, P> FallbackLayerBuilder<(), Alt, P> {
    /// Keeps of each request what the tiers need: a closure from `&Req` to an owned value.
    ///
    /// Say it before the tiers that look at it; those added earlier are shown `&()`. Default:
    /// nothing is kept.
    pub fn keep<Req, K: Keep<Req>>(self, keep: K) -> FallbackLayerBuilder<K::View, Alt, P, K> {
        let Self { reporter, tiers, twice, when, protocol, keep: _ } = self;
        let tiers = tiers.into_iter().map(Tier::overlook).collect();
        FallbackLayerBuilder { reporter, tiers, twice, when, protocol, keep }
    }
}

impl<V, Alt, P, K> FallbackLayerBuilder<V, Alt, P, K> {
    /// Adds a tier that answers by an asynchronous function of the view and the failure.
    ///
    /// The future owns what it needs: take it out of the two references before an
    /// `async move` block. An error falls to the next tier.
    pub fn respond_with<F, Fut>(self, name: impl Into<Arc<str>>, serve: F) -> Self
    where
        F: Fn(&V, &Failure<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Alt, BoxError>> + Send + 'static,
    {
        self.tier("respond_with", name.into(), move |view, failure| Box::pin(serve(view, failure)))
    }

    /// Adds a tier that answers at once by a function of the view and the failure, and never
    /// fails: a tier after it is never tried.
    pub fn value<F>(self, name: impl Into<Arc<str>>, serve: F) -> Self
    where
        F: Fn(&V, &Failure<'_>) -> Alt + Send + Sync + 'static,
        Alt: Send + 'static,
    {
        self.tier("value", name.into(), move |view, failure| {
            Box::pin(ready(Ok(serve(view, failure))))
        })
    }

    /// Adds a tier that sends the view to another service.
    ///
    /// Each call takes a clone of the service and waits for it to be ready. An error, of its
    /// readiness too, falls to the next tier. Whatever it answers is served: a service that says
    /// "failed" by a response of its own needs a [`respond_with`](Self::respond_with) to tell.
    pub fn service<S>(self, name: impl Into<Arc<str>>, service: S) -> Self
    where
        V: Clone + Send + 'static,
        S: Service<V, Response = Alt> + Clone + Send + 'static,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
    {
        // A lock, so that the service need not be `Sync`: only failed calls take it, and only to
        // clone. A clone that panicked has left the prototype as it was.
        let prototype = Mutex::new(service);
        self.tier("service", name.into(), move |view, _failure| {
            let mut service = prototype.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let call = ReadyCall::start(&mut service, view.clone());
            Box::pin(async move { call.await.map_err(Into::into) })
        })
    }

    /// Asks this predicate, of each call that was not judged a success, whether the tiers are to
    /// be tried.
    ///
    /// Default: when the dependency failed ([`Outcome::Failure`](buttress_core::Outcome)), and
    /// when one of our own layers refused the call
    /// ([`Rejection::is_refusal`](buttress_core::Rejection::is_refusal)), in whatever the error is
    /// wrapped. A neutral response, such as a "429 Too Many Requests" under HTTP, is the answer
    /// to the caller and stays so.
    pub fn when<F>(mut self, predicate: F) -> Self
    where
        F: Fn(&Judgement, Option<&BoxError>) -> bool + Send + Sync + 'static,
    {
        self.when = Box::new(predicate);
        self
    }

    /// Judges responses, and lets the alternative stand in for them, by this protocol. Default:
    /// [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> FallbackLayerBuilder<V, Alt, Q, K> {
        self.map_protocol(|_| protocol)
    }

    /// Judges results by this classifier instead of the protocol's own: what it calls a success
    /// is passed through, also if it is an error. Say it after
    /// [`protocol`](Self::protocol). Default: the protocol's.
    pub fn classify<C>(self, classifier: C) -> FallbackLayerBuilder<V, Alt, Classified<P, C>, K> {
        self.map_protocol(|protocol| Classified::new(protocol, classifier))
    }

    /// Names the layer in events and in the mark. Default: `"fallback"`.
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
    /// [`ConfigError`] if there is no tier, or if two of them have the same name.
    pub fn build(self) -> Result<FallbackLayer<V, Alt, P, K>, ConfigError> {
        let Self { reporter, tiers, twice, when, protocol, keep } = self;
        if let Some(error) = twice {
            return Err(error);
        }
        if tiers.is_empty() {
            let allowed = "said at least once, or `value` or `service`";
            return Err(ConfigError::new("respond_with", "never said", allowed));
        }
        Ok(FallbackLayer::new(Shared { tiers, when, reporter }, protocol, keep))
    }

    fn tier(
        mut self,
        setting: &'static str,
        name: Arc<str>,
        serve: impl Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync + 'static,
    ) -> Self {
        if self.twice.is_none() && self.tiers.iter().any(|tier| tier.name == name) {
            let allowed = "a name that no other tier has";
            self.twice = Some(ConfigError::new(setting, format!("`{name}` again"), allowed));
        }
        self.tiers.push(Tier::new(name, serve));
        self
    }

    fn map_protocol<Q>(self, map: impl FnOnce(P) -> Q) -> FallbackLayerBuilder<V, Alt, Q, K> {
        let Self { reporter, tiers, twice, when, protocol, keep } = self;
        let protocol = map(protocol);
        FallbackLayerBuilder { reporter, tiers, twice, when, protocol, keep }
    }
}

impl<V, Alt, P, K> fmt::Debug for FallbackLayerBuilder<V, Alt, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayerBuilder")
            .field("name", self.reporter.name())
            .field("tiers", &self.tiers)
            .finish_non_exhaustive()
    }
}
