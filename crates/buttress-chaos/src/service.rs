//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ReadyCall};
use tower_service::Service;

use crate::{ResponseFuture, faults::Injection, layer::Shared};

/// A service whose calls are struck by faults; made by [`ChaosLayer`](crate::ChaosLayer).
#[derive(Clone)]
pub struct Chaos<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Chaos<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
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

impl<S, Req> Service<Req> for Chaos<S>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req>;

    /// Always ready: the inner service's readiness is claimed inside the call, after its faults.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.shared.draw() {
            Injection { delay: None, error: false } => {
                ResponseFuture::running(ReadyCall::start(&mut self.inner, request))
            }
            Injection { delay: None, error: true } => ResponseFuture::failed(self.shared.fail()),
            Injection { delay: Some(delay), error } => {
                self.shared.delayed();
                if error {
                    return ResponseFuture::failing_later(delay, Arc::clone(&self.shared));
                }
                ResponseFuture::running_later(delay, self.inner.clone(), request)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Chaos<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
