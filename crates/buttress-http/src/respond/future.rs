//! The future.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, ReadyCall};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Full};
use pin_project::pin_project;
use tower_service::Service;

use super::status;

/// The future of [`Respond`](super::Respond).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req> {
    #[pin]
    call: ReadyCall<S, Req>,
    full: StatusCode,
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(super) fn new(call: ReadyCall<S, Req>, full: StatusCode) -> Self {
        Self { call, full }
    }
}

impl<S, Req, B> Future for ResponseFuture<S, Req>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Either<B, Full<Bytes>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(Ok(match ready!(this.call.poll(cx)) {
            Ok(response) => response.map(Either::Left),
            Err(error) => {
                let error: BoxError = error.into();
                status::response(error.as_ref(), *this.full).map(Either::Right)
            }
        }))
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ResponseFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
