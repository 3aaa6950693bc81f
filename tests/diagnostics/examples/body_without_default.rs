//! A retry around a body that has no empty value, as hyper's `Incoming` has none.

// says: cannot repeat a request of type `
// says: where the body has none, as hyper's `Incoming`, put `ReplayBodyLayer` outside the retry

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use buttress::{core::check_service, prelude::*};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, service_fn};

struct Incoming;

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap())
        .service(service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    check_service::<Request<Incoming>>(&service);
}
