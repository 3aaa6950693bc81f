//! What a builder is told of tiers.

use std::{
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use buttress_core::{BoxError, ConfigError, Key, ReadyCall, Remembers, Repeat};
use tower_service::Service;

use crate::{
    Failure, FallbackLayerBuilder, LastKnownGood, Store, Whole,
    bounds::Bounds,
    tier::{Answer, Serving, Tier, Unserved},
};

/// How long the store of last known good answers may take to find one, unless told otherwise.
const RECALL_LIMIT: Duration = Duration::from_millis(100);
/// The most places that a tier can be given.
const MOST_AT_ONCE: usize = 1_000_000;

impl<V, Alt, P, K> FallbackLayerBuilder<V, Alt, P, K> {
    /// Adds a tier that serves the last good answer to the same question: see [`LastKnownGood`].
    ///
    /// At most one, after the protocol was said. It has 100 ms, unless
    /// [`tier_within`](Self::tier_within) says otherwise: a store that is down must not turn a
    /// failure into a longer one. That nothing is remembered, or nothing new enough, is no fault, and
    /// falls to the next tier; so does a store that fails, and what it holds if it can not be read.
    pub fn last_known_good<S, F, T>(
        mut self,
        name: impl Into<Arc<str>>,
        memory: LastKnownGood<S, F>,
    ) -> Self
    where
        P: Remembers,
        S: Store,
        F: Fn(&V) -> Option<T> + Send + Sync + 'static,
        T: Into<Key>,
    {
        let setting = "last_known_good";
        if self.tiers.iter().any(|tier| tier.remembers().is_some()) {
            self.is_wrong(ConfigError::new(setting, "said again", "said at most once"));
        }
        let name = name.into();
        match memory.build(Arc::clone(&name)) {
            Ok(memory) => {
                self.tier(setting, Tier::memory(name, memory, Bounds::within(RECALL_LIMIT)))
            }
            Err(error) => {
                self.is_wrong(error);
                self
            }
        }
    }

    /// Adds a tier that answers by an asynchronous function of the view and the failure.
    ///
    /// The future owns what it needs: take it out of the two references before an
    /// `async move` block. An error falls to the next tier.
    pub fn respond_with<F, Fut>(self, name: impl Into<Arc<str>>, serve: F) -> Self
    where
        Alt: 'static,
        F: Fn(&V, &Failure<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Alt, BoxError>> + Send + 'static,
    {
        self.function("respond_with", name.into(), move |view, failure| made(serve(view, failure)))
    }

    /// Adds a tier that answers at once by a function of the view and the failure, and never
    /// fails: a tier after it is tried only for those that are above its bound, if it has one.
    pub fn value<F>(self, name: impl Into<Arc<str>>, serve: F) -> Self
    where
        F: Fn(&V, &Failure<'_>) -> Alt + Send + Sync + 'static,
        Alt: Send + 'static,
    {
        self.function("value", name.into(), move |view, failure| {
            made(ready(Ok(serve(view, failure))))
        })
    }

    /// Adds a tier that sends the view to another service.
    ///
    /// Each call takes a clone of the service and waits for it to be ready. An error, of its
    /// readiness too, falls to the next tier; under HTTP also a response that says that it failed, such
    /// as a 503, though not one that says "no", such as a 404. Layers of its own are welcome around it: a timeout that is shorter than
    /// [`tier_within`](Self::tier_within), so that a breaker inside sees it, and a bulkhead if others use
    /// it as well, where [`tier_max_concurrent`](Self::tier_max_concurrent) bounds this tier alone.
    ///
    /// To send it the request itself, keep the [`Whole`] and say [`resend`](Self::resend).
    pub fn service<S>(self, name: impl Into<Arc<str>>, service: S) -> Self
    where
        V: Clone + Send + 'static,
        Alt: 'static,
        S: Service<V, Response = Alt> + Clone + Send + 'static,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
    {
        let prototype = Prototype::new(service);
        self.function("service", name.into(), move |view, _failure| {
            let call = ReadyCall::start(&mut prototype.copy(), view.clone());
            said(async move { call.await.map_err(Into::into) })
        })
    }

    /// Gives the tier that was added last so much time to answer; then it is cut, and the next one
    /// tried. Default: no limit, but for [`last_known_good`](Self::last_known_good). `Duration::MAX`
    /// means no limit.
    ///
    /// What is cut is cut by a deadline, which it can see while it runs. Under HTTP an answer is
    /// there when its head is; what bounds its body is a timeout around the tier's own service.
    pub fn tier_within(mut self, limit: Duration) -> Self {
        let setting = "tier_within";
        match (ConfigError::check_not_zero(setting, limit), self.tiers.last_mut()) {
            (Err(error), _) => self.is_wrong(error),
            (Ok(()), Some(tier)) => tier.bounds.limit = limit,
            (Ok(()), None) => self.is_wrong(of_no_tier(setting)),
        }
        self
    }

    /// Lets the tier that was added last be at so many answers at once, from 1 to 1,000,000; for
    /// those above it the next one is tried at once. Default: no bound. An answer counts until it is
    /// over, under HTTP with its body; one that was remembered, until it is found.
    ///
    /// While a dependency is down all its calls come to the tiers. What can not bear that needs a
    /// bound, or its outage is the next.
    pub fn tier_max_concurrent(mut self, most: usize) -> Self {
        let setting = "tier_max_concurrent";
        match (ConfigError::check_count(setting, most, MOST_AT_ONCE), self.tiers.last_mut()) {
            (Err(error), _) => self.is_wrong(error),
            (Ok(()), Some(tier)) => tier.bounds.set_most(most),
            (Ok(()), None) => self.is_wrong(of_no_tier(setting)),
        }
        self
    }

    fn function(
        self,
        setting: &'static str,
        name: Arc<str>,
        make: impl Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync + 'static,
    ) -> Self {
        self.tier(setting, Tier::function(name, make))
    }
}

impl<Req, R, Alt, P, K> FallbackLayerBuilder<Whole<Req, R>, Alt, P, K> {
    /// Adds a tier that sends the request itself to another service, where that is safe: as
    /// [`service`](Self::service), with the copy that a view of the [`Whole`] is.
    ///
    /// A request that may not be sent twice is sent only if the failure proves that it was not
    /// executed; that one of our layers refused it does so only if
    /// [`repeat_refusals`](Whole::repeat_refusals) says so. Where it can not be sent the tier fails.
    pub fn resend<S>(self, name: impl Into<Arc<str>>, service: S) -> Self
    where
        Req: Send + 'static,
        R: Repeat<Req> + Clone + Send + 'static,
        Alt: 'static,
        S: Service<Req, Response = Alt> + Clone + Send + 'static,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
    {
        let prototype = Prototype::new(service);
        self.function("resend", name.into(), move |view, failure| {
            let (again, mut service) = (view.again(failure), prototype.copy());
            said(async move {
                let request = again?.request().await?;
                ReadyCall::start(&mut service, request).await.map_err(Into::into)
            })
        })
    }
}

/// The service of a tier, of which each call takes a clone.
///
/// In a lock, so that it need not be `Sync`: only failed calls take it, and only to clone.
struct Prototype<S>(Mutex<S>);

impl<S: Clone> Prototype<S> {
    fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    fn copy(&self) -> S {
        // A clone that panicked has left the prototype as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The future of a tier that makes its answer for the call.
fn made<Alt: 'static>(
    making: impl Future<Output = Result<Alt, BoxError>> + Send + 'static,
) -> Serving<Alt> {
    Box::pin(async { making.await.map(Answer::Made).map_err(Unserved::Failed) })
}

/// The future of a tier that asks another service.
fn said<Alt: 'static>(
    asking: impl Future<Output = Result<Alt, BoxError>> + Send + 'static,
) -> Serving<Alt> {
    Box::pin(async { asking.await.map(Answer::Said).map_err(Unserved::Failed) })
}

fn of_no_tier(setting: &'static str) -> ConfigError {
    ConfigError::new(setting, "said before any tier", "said after the tier that it bounds")
}
