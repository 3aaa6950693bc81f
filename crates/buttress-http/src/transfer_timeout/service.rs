//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ReadyCall};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseFuture, TransferFollower, Watched,
    layer::Shared,
    upload::{self, Reader},
    watch::Watch,
};
use crate::Followed;

/// A service whose calls must move; made by [`TransferTimeoutLayer`](super::TransferTimeoutLayer).
#[derive(Clone)]
pub struct TransferTimeout<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> TransferTimeout<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
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

impl<S, B, R> Service<Request<B>> for TransferTimeout<S>
where
    S: Service<Request<Watched<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<Followed<R, TransferFollower>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    /// Always ready: the inner service's readiness is claimed inside the call, under its limit.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A body that is empty is over already, and nobody may ever poll it.
        let (teller, reader) = if self.shared.limits.any() && !request.body().is_end_stream() {
            let (teller, reader) = upload::pair();
            (Some(teller), reader)
        } else {
            (None, Reader::OVER)
        };
        let watch = Watch::new(Arc::clone(&self.shared), reader);
        let request = request.map(|body| Watched::new(body, teller));
        ResponseFuture::new(ReadyCall::start(&mut self.inner, request), watch)
    }
}

impl<S: fmt::Debug> fmt::Debug for TransferTimeout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferTimeout")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
