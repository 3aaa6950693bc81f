//! The future.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, ReadyCall};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project::pin_project;
use tower_service::Service;

use super::{Body, grpc_status::GrpcStatus, status};
use crate::grpc::is_grpc;

/// The future of [`Respond`](super::Respond).
#[pin_project]
pub struct ResponseFuture<S: Service<Request<B>>, B> {
    #[pin]
    call: ReadyCall<S, Request<B>>,
    grpc: bool,
    full: StatusCode,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn new(call: ReadyCall<S, Request<B>>, grpc: bool, full: StatusCode) -> Self {
        Self { call, grpc, full }
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
        let (grpc, full) = (*this.grpc, *this.full);
        Poll::Ready(Ok(match ready!(this.call.poll(cx)) {
            Ok(response) => {
                // Trailers would make any other response that breaks off look whole.
                let grpc = grpc && is_grpc(response.headers());
                response.map(|body| Body::inner(body, grpc))
            }
            Err(error) => {
                let error: BoxError = error.into();
                if grpc {
                    GrpcStatus::of(error.as_ref()).response(Body::empty())
                } else {
                    status::response(error.as_ref(), full).map(Body::text)
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
