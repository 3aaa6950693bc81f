//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Follow, Plain, ReadyCall, RejectionKind};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Allowance, Fixed, ResponseFuture, TimeoutFollower,
    allowance::{Start, start},
    clock::Clock,
    layer::Shared,
};

/// A service whose calls are bounded; made by [`TimeoutLayer`](crate::TimeoutLayer).
#[derive(Clone)]
pub struct Timeout<S, P = Plain, A = Fixed> {
    inner: S,
    shared: Arc<Shared>,
    protocol: P,
    allowance: A,
}

impl<S, P, A> Timeout<S, P, A> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, protocol: P, allowance: A) -> Self {
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

    fn call(&mut self, request: Req) -> Self::Future {
        // Never is not a limit: no timer, and no deadline for those inside.
        let limit = self.allowance.allow(&request).or(self.shared.overall);
        let limit = limit.filter(|&limit| limit != Duration::MAX);
        let ambient = Deadline::current();
        // The clock is read only where something bounds the call.
        let start = match (limit, ambient) {
            (None, None) => Start::Unbounded,
            (limit, ambient) => start(limit, ambient, Instant::now()),
        };
        let bounds = match start {
            Start::Unbounded => None,
            Start::Bounded(bounds) => Some(bounds),
            Start::TooLate => {
                let kind = RejectionKind::DeadlineExceeded { called: false };
                return ResponseFuture::refused(self.shared.reporter.reject(kind));
            }
        };
        let clock = Clock::new(bounds, Arc::clone(&self.shared));
        let inner = &mut self.inner;
        let call = Deadline::scope(clock.deadline(), || ReadyCall::start(inner, request));
        ResponseFuture::new(call, clock, self.protocol.clone())
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
