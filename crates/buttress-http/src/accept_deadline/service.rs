//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, ReadyCall};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{DeadlineFollower, ResponseFuture, layer::Shared};
use crate::Followed;

/// A service whose calls have the deadline of their request; made by
/// [`AcceptDeadlineLayer`](super::AcceptDeadlineLayer).
#[derive(Clone)]
pub struct AcceptDeadline<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> AcceptDeadline<S> {
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

impl<S, B, R> Service<Request<B>> for AcceptDeadline<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<Followed<R, DeadlineFollower>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Request<B>>;

    /// Always ready: the inner service's readiness is claimed inside the call, under its deadline.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.shared.is_off {
            let call = ReadyCall::start(&mut self.inner, request);
            return ResponseFuture::new(call, None, &self.shared);
        }
        let allowance = self.shared.allowance(request.headers());
        let carried = request.extensions().get::<Deadline>().copied();
        let mut deadline = Deadline::sooner(carried, Deadline::current());
        // The clock is read only where something bounds the call, and then once.
        if allowance.is_some() || deadline.is_some() {
            let now = Instant::now();
            let said = allowance.map(|allowance| Deadline::after_instant(now, allowance));
            deadline = Deadline::sooner(said, deadline);
            if deadline.is_some_and(|deadline| deadline.is_past_at(now)) {
                return ResponseFuture::refused(self.shared.refuse());
            }
        }
        if let Some(deadline) = deadline.filter(|_| deadline != carried) {
            request.extensions_mut().insert(deadline);
        }
        let inner = &mut self.inner;
        let call = Deadline::scope(deadline, || ReadyCall::start(inner, request));
        ResponseFuture::new(call, deadline, &self.shared)
    }
}

impl<S: fmt::Debug> fmt::Debug for AcceptDeadline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptDeadline")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
