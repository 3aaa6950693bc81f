//! The service.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ReadyCall};
use bytes::Bytes;
use http::{Method, Request, Response};
use tower_service::Service;

use super::{Body, ResponseFuture, accept::Format, answers::Answers, future::Form};
use crate::content_type::is_grpc;

/// A service that answers where it would have failed; made by
/// [`RespondLayer`](super::RespondLayer).
#[derive(Debug, Clone)]
pub struct Respond<S> {
    inner: S,
    answers: Answers,
}

impl<S> Respond<S> {
    pub(super) fn new(inner: S, answers: Answers) -> Self {
        Self { inner, answers }
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

impl<S, B, R> Service<Request<B>> for Respond<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes>,
{
    type Response = Response<Body<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S, B>;

    /// Always ready: an inner service that is broken is a response, too.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // gRPC knows no other method: what a browser asks for is answered as it expects.
        let form = if request.method() == Method::POST && is_grpc(request.headers()) {
            Form::Grpc
        } else {
            Form::Plain(Format::of(request.headers()))
        };
        ResponseFuture::new(ReadyCall::start(&mut self.inner, request), form, self.answers)
    }
}
