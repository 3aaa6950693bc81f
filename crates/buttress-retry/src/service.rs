//! The service.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use buttress_core::{Attempt, BoxError, Classify, Deadline, Discard, Plain, Repeat, Striped};
use tower_service::Service;

use crate::{
    PerRequest, ResponseFuture, Terms, Uniform,
    attempts::First,
    layer::{MOST_ATTEMPTS, Shared},
};

/// A service whose failed calls are repeated; made by
/// [`JitteredRetryLayer`](crate::JitteredRetryLayer).
///
/// The first attempt of a call goes to the inner service itself. A later one goes to a clone,
/// readied for it, of the inner service as it was when the layer was put around it; which is why
/// there is no `get_mut`: a change would reach first attempts alone.
#[derive(Clone)]
pub struct JitteredRetry<S, P = Plain, T = Uniform> {
    inner: S,
    spare: Striped<Spare<S>>,
    protocol: P,
    per_request: T,
}

/// What a call needs in order to make another attempt.
///
/// A call outlives the borrow of its service, so it can not go back to it; and to clone a deep
/// stack on every call, for the few that fail, would be waste. A call takes this along by one
/// count, and clones the service when another attempt is really made.
pub(crate) struct Spare<S> {
    pub(crate) shared: Arc<Shared>,
    // Never readied and never called, so it holds nothing that others wait for. The lock is what
    // makes a service that is `Send` alone shareable.
    service: Mutex<S>,
}

impl<S: Clone> Spare<S> {
    /// An instance for one attempt; not ready yet.
    pub(crate) fn instance(&self) -> S {
        // A clone that panicked has changed nothing.
        self.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S, P, T> JitteredRetry<S, P, T> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, protocol: P, per_request: T) -> Self
    where
        S: Clone,
    {
        let spare = Striped::new(Spare { shared, service: Mutex::new(inner.clone()) });
        Self { inner, spare, protocol, per_request }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, out of this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P: Clone, T> JitteredRetry<S, P, T> {
    /// The call of a layer that is switched off.
    #[cold]
    fn pass<Req>(&mut self, request: Req) -> ResponseFuture<S, Req, P>
    where
        S: Service<Req> + Clone,
        P: Discard<S::Response>,
    {
        let (spare, protocol) = (Arc::clone(self.spare.mine()), self.protocol.clone());
        ResponseFuture::start(&mut self.inner, request, First::OFF, spare, protocol)
    }
}

impl<S, Req, P, T> Service<Req> for JitteredRetry<S, P, T>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Repeat<Req> + Discard<S::Response> + Clone,
    T: PerRequest<Req>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready: the inner service's readiness is claimed inside the call, anew for each
    /// attempt.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    // Not inlined, so that it writes its future where that stays: see `Anchor`.
    #[inline(never)]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let spare = Arc::clone(self.spare.mine());
        if spare.shared.is_off {
            return self.pass(request);
        }
        let deadline = Deadline::current();
        let Terms { max_attempts, budget } = self.per_request.terms(&request);
        let max_attempts = max_attempts
            .map_or(spare.shared.policy.max_attempts, |own| own.clamp(1, MOST_ATTEMPTS));
        let copy = if max_attempts > 1 { self.protocol.repeat(&request) } else { None };
        self.protocol.mark(&mut request, Attempt::new(1, max_attempts));
        let first = First { copy, of: max_attempts, budget, deadline };
        ResponseFuture::start(&mut self.inner, request, first, spare, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P, T> fmt::Debug for JitteredRetry<S, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredRetry")
            .field("inner", &self.inner)
            .field("layer", &self.spare.shared)
            .finish_non_exhaustive()
    }
}
