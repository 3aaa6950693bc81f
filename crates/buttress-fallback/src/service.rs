//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Classify, Plain, Striped, Substitute};
use tower_service::Service;

use crate::{Keep, Nothing, ResponseFuture, layer::Shared};

/// A service whose calls have alternatives; made by [`FallbackLayer`](crate::FallbackLayer).
pub struct Fallback<S, V, Alt, P = Plain, K = Nothing> {
    inner: S,
    shared: Striped<Shared<V, Alt>>,
    protocol: P,
    keep: K,
    is_off: bool,
}

impl<S, V, Alt, P, K> Fallback<S, V, Alt, P, K> {
    pub(crate) fn new(
        inner: S,
        shared: Striped<Shared<V, Alt>>,
        protocol: P,
        keep: K,
        is_off: bool,
    ) -> Self {
        Self { inner, shared, protocol, keep, is_off }
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

impl<S, Req, V, Alt, P, K> Service<Req> for Fallback<S, V, Alt, P, K>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Substitute<S::Response, Alt> + Clone,
    K: Keep<Req, View = V>,
    Alt: 'static,
{
    type Response = P::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, V, Alt, P>;

    /// Always ready: the inner service's readiness is claimed inside the call, so that one which
    /// breaks there has alternatives, too.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    // Not inlined, so that it writes its future where that stays: see `Anchor`.
    #[inline(never)]
    fn call(&mut self, request: Req) -> Self::Future {
        let view = if self.is_off { None } else { Some(self.keep.keep(&request)) };
        let shared = Arc::clone(self.shared.mine());
        ResponseFuture::start(&mut self.inner, request, view, shared, &self.protocol)
    }
}

// By hand: a derived one would ask the view and the alternative to be `Clone`.
impl<S: Clone, V, Alt, P: Clone, K: Clone> Clone for Fallback<S, V, Alt, P, K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
            protocol: self.protocol.clone(),
            keep: self.keep.clone(),
            is_off: self.is_off,
        }
    }
}

impl<S: fmt::Debug, V, Alt, P, K> fmt::Debug for Fallback<S, V, Alt, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
