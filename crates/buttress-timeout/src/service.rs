//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, Follow, Plain, Striped};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Allowance, Fixed, ResponseFuture, TimeoutFollower,
    layer::Shared,
    limits::{Bounds, Limits, finite},
};

/// A service whose calls are bounded; made by [`TimeoutLayer`](crate::TimeoutLayer).
#[derive(Clone)]
pub struct Timeout<S, P = Plain, A = Fixed> {
    inner: S,
    shared: Striped<Shared>,
    protocol: P,
    allowance: A,
}

impl<S, P, A> Timeout<S, P, A> {
    pub(crate) fn new(inner: S, shared: Striped<Shared>, protocol: P, allowance: A) -> Self {
        Self { inner, shared, protocol, allowance }
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

impl<S, P: Clone, A> Timeout<S, P, A> {
    /// The call of a layer that is switched off.
    #[cold]
    fn pass<Req>(&mut self, request: Req) -> ResponseFuture<S, Req, P>
    where
        S: Service<Req> + Clone,
    {
        let shared = Arc::clone(self.shared.mine());
        ResponseFuture::start(&mut self.inner, request, Bounds::NONE, shared, &self.protocol)
    }
}

impl<S, Req, P, A> Service<Req> for Timeout<S, P, A>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Follow<S::Response> + Clone,
    A: Allowance<Req>,
{
    type Response = P::Response<TimeoutFollower>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready: the inner service's readiness is claimed inside the call, under its limit.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    // Not inlined, so that it writes its future where that stays: see `Anchor`.
    #[inline(never)]
    fn call(&mut self, request: Req) -> Self::Future {
        if self.shared.is_off {
            return self.pass(request);
        }
        let Limits { overall, response, read: _ } = self.shared.limits;
        let overall = self.allowance.allow(&request).map_or(overall, finite);
        let ambient = Deadline::current();
        // The clock is read only where something bounds the call.
        let bounds = if overall.or(response).is_none() && ambient.is_none() {
            Bounds::NONE
        } else {
            match Bounds::begin(overall, response, ambient, Instant::now()) {
                Some(bounds) => bounds,
                None => {
                    return ResponseFuture::refused(self.shared.refuse(), self.protocol.clone());
                }
            }
        };
        let shared = Arc::clone(self.shared.mine());
        ResponseFuture::start(&mut self.inner, request, bounds, shared, &self.protocol)
    }
}

impl<S: fmt::Debug, P, A> fmt::Debug for Timeout<S, P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
