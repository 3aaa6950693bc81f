//! The future.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, ReadyCall};
use bytes::Bytes;
use http::{Request, Response};
use pin_project::pin_project;
use tower_service::Service;

use super::{Body, accept::Format, answers::Answers, grpc_status::GrpcStatus, plain};
use crate::content_type::is_grpc;

/// The future of [`Respond`](super::Respond).
#[pin_project]
pub struct ResponseFuture<S: Service<Request<B>>, B> {
    #[pin]
    call: ReadyCall<S, Request<B>>,
    form: Form,
    answers: Answers,
}

/// How a caller wants to be told of an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Plain(Format),
    Grpc,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn new(call: ReadyCall<S, Request<B>>, form: Form, answers: Answers) -> Self {
        Self { call, form, answers }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes>,
{
    type Output = Result<Response<Body<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(Ok(match ready!(this.call.poll(cx)) {
            Ok(response) => {
                // Trailers would make any other response that breaks off look whole.
                let grpc = matches!(this.form, Form::Grpc) && is_grpc(response.headers());
                let answers = grpc.then_some(*this.answers);
                response.map(|body| Body::inner(body, answers))
            }
            Err(error) => {
                let error: BoxError = error.into();
                match *this.form {
                    Form::Grpc => {
                        GrpcStatus::of(error.as_ref(), this.answers).response(Body::empty())
                    }
                    Form::Plain(format) => {
                        plain::response(error.as_ref(), this.answers, format).map(Body::text)
                    }
                }
            }
        }))
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
