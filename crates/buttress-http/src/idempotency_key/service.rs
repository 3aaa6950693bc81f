//! The service.

use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use super::layer::Keys;
use crate::repeat::{IDEMPOTENCY_KEY, has_key};

/// A service whose requests carry a key; made by [`IdempotencyKeyLayer`](super::IdempotencyKeyLayer).
#[derive(Debug, Clone)]
pub struct IdempotencyKey<S> {
    inner: S,
    keys: Option<Keys>,
}

impl<S> IdempotencyKey<S> {
    pub(super) fn new(inner: S, keys: Option<Keys>) -> Self {
        Self { inner, keys }
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

impl<S, B> Service<Request<B>> for IdempotencyKey<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let keys = self.keys.as_ref();
        let needs_one = !request.method().is_idempotent() && !has_key(request.headers());
        if let Some(keys) = keys.filter(|_| needs_one) {
            // Where a map has no room for one header more, the request is not repeated.
            let _ = request.headers_mut().try_insert(IDEMPOTENCY_KEY, keys.draw());
        }
        self.inner.call(request)
    }
}
