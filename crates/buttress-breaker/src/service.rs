//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Classify, Follow, Plain, ReadyCall};
use tower_service::Service;

use crate::{BreakerFollower, ResponseFuture, admission::Admission, layer::Shared};

/// A service that is left alone while it fails; made by [`BreakerLayer`](crate::BreakerLayer).
#[derive(Clone)]
pub struct Breaker<S, P = Plain> {
    inner: S,
    shared: Arc<Shared>,
    protocol: P,
}

impl<S, P> Breaker<S, P> {
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

impl<S, Req, P> Service<Req> for Breaker<S, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Follow<S::Response> + Clone,
{
    type Response = P::Response<BreakerFollower>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready: the inner service's readiness is claimed inside a call that was admitted,
    /// so that an open breaker neither waits for it nor holds it.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut admission = match Admission::ask(&self.shared) {
            Ok(admission) => admission,
            Err(rejection) => return ResponseFuture::refused(rejection),
        };
        let inner = &mut self.inner;
        let call = admission.watch(|| ReadyCall::start(inner, request));
        ResponseFuture::new(call, admission, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Breaker<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
