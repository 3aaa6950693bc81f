//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, ReadyCall};
use http::Request;
use tower_service::Service;

use super::{
    ResponseFuture,
    layer::Shared,
    sending::{Outgoing, Sending},
};

/// A service whose requests say how long their answer is of use; made by
/// [`SendDeadlineLayer`](super::SendDeadlineLayer).
#[derive(Clone)]
pub struct SendDeadline<S> {
    sending: Sending<S>,
}

impl<S> SendDeadline<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { sending: Sending { inner, shared } }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.sending.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.sending.inner
    }

    /// The inner service, out of this one.
    pub fn into_inner(self) -> S {
        self.sending.inner
    }
}

impl<S, B> Service<Request<B>> for SendDeadline<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    /// Always ready: the inner service's readiness is claimed inside the call.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.sending.shared.is_off {
            let outgoing = Outgoing { request, deadline: None };
            return ResponseFuture::new(ReadyCall::start(&mut self.sending, outgoing), None);
        }
        let carried = request.extensions().get::<Deadline>().copied();
        let deadline = Deadline::sooner(carried, Deadline::current());
        if deadline.is_some_and(Deadline::is_past) {
            return ResponseFuture::refused(self.sending.shared.refuse());
        }
        if let Some(deadline) = deadline.filter(|_| deadline != carried) {
            request.extensions_mut().insert(deadline);
        }
        let (sending, outgoing) = (&mut self.sending, Outgoing { request, deadline });
        let call = Deadline::scope(deadline, || ReadyCall::start(sending, outgoing));
        ResponseFuture::new(call, deadline)
    }
}

impl<S: fmt::Debug> fmt::Debug for SendDeadline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDeadline")
            .field("inner", self.get_ref())
            .field("layer", &self.sending.shared)
            .finish_non_exhaustive()
    }
}
