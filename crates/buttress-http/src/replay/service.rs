//! The service.

use std::task::{Context, Poll};

use buttress_core::BoxError;
use http::Request;
use http_body::Body;
use tower_service::Service;

use super::ReplayBody;

/// A service whose request bodies can be sent again; made by
/// [`ReplayBodyLayer`](super::ReplayBodyLayer).
#[derive(Debug, Clone)]
pub struct Replaying<S> {
    inner: S,
    max_bytes: usize,
}

impl<S> Replaying<S> {
    pub(super) fn new(inner: S, max_bytes: usize) -> Self {
        Self { inner, max_bytes }
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

impl<S, B> Service<Request<B>> for Replaying<S>
where
    S: Service<Request<ReplayBody>>,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(|body| ReplayBody::new(body, self.max_bytes)))
    }
}
