//! All of it made right: this compiles.

use std::convert::Infallible;

use buttress::{core::check_service, prelude::*};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use tower::{ServiceBuilder, service_fn};

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn is_for_us(request: &Request<Body>) -> bool {
    request.uri().path() == "/"
}

fn main() {
    let http = Http::new();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::builder().protocol(http).build().unwrap())
        .layer(JitteredRetryLayer::builder().protocol(http).build().unwrap())
        .layer(BreakerLayer::builder().protocol(http).build().unwrap())
        .layer(ChaosLayer::builder().protocol(http).only(is_for_us).build().unwrap())
        .service(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    check_service::<Request<Body>>(&service);
}
