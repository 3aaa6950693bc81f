//! The service.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ReadyCall};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Full};
use tower_service::Service;

use super::ResponseFuture;

/// A service that answers where it would have failed; made by
/// [`RespondLayer`](super::RespondLayer).
#[derive(Debug, Clone)]
pub struct Respond<S> {
    inner: S,
    full: StatusCode,
}

impl<S> Respond<S> {
    pub(super) fn new(inner: S, full: StatusCode) -> Self {
        Self { inner, full }
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

impl<S, Req, B> Service<Req> for Respond<S>
where
    S: Service<Req, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Either<B, Full<Bytes>>>;
    type Error = Infallible;
    type Future = ResponseFuture<S, Req>;

    /// Always ready: an inner service that is broken is a response, too.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(ReadyCall::start(&mut self.inner, request), self.full)
    }
}
