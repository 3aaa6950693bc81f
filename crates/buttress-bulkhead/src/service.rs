//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use buttress_core::{BoxError, Deadline, Follow, Plain, RejectionKind};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Permit, ResponseFuture,
    layer::Shared,
    wait::{Patience, Wait},
};

/// A service with a bounded number of calls at once; made by
/// [`BulkheadLayer`](crate::BulkheadLayer).
#[derive(Clone)]
pub struct Bulkhead<S, P = Plain> {
    inner: S,
    shared: Arc<Shared>,
    protocol: P,
}

impl<S, P> Bulkhead<S, P> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, protocol: P) -> Self {
        Self { inner, shared, protocol }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, out of this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P: Clone> Bulkhead<S, P> {
    /// The call that found no free place: it waits for one, or is refused.
    #[cold]
    fn call_later<Req>(&mut self, request: Req) -> ResponseFuture<S, Req, P>
    where
        S: Service<Req> + Clone,
    {
        let shared = &self.shared;
        if shared.max_wait.is_zero() {
            return ResponseFuture::refused(shared.reject_as_full());
        }
        let now = Instant::now();
        let patience = Patience::new(shared.max_wait, Deadline::current(), now);
        if patience.is_pointless_at(now) {
            let kind = RejectionKind::DeadlineExceeded { called: false };
            return ResponseFuture::refused(shared.reject(kind));
        }
        let Some(mut turn) = shared.places.try_queue() else {
            return ResponseFuture::refused(shared.reject_as_full());
        };
        let protocol = self.protocol.clone();
        // Polled once on the spot, so that calls queue in the order they are made and not in the
        // order their futures are first polled; the real waker comes with that poll.
        match turn.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => {
                ResponseFuture::running(&mut self.inner, request, permit, protocol)
            }
            Poll::Pending => {
                let wait = Wait::new(turn, patience, Arc::clone(shared));
                ResponseFuture::waiting(wait, self.inner.clone(), request, protocol)
            }
        }
    }
}

impl<S, Req, P> Service<Req> for Bulkhead<S, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Follow<S::Response> + Clone,
{
    type Response = P::Response<Permit>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready: the place is taken inside the call, and the inner service's readiness is
    /// claimed once there is one.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let Some(permit) = self.shared.places.try_enter() else { return self.call_later(request) };
        ResponseFuture::running(&mut self.inner, request, permit, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Bulkhead<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
