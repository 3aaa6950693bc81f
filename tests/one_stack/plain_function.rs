//! Around a function.

use std::convert::Infallible;

use buttress_tests::{Recommended, stack};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};

pub(crate) async fn serves(stack: Recommended) {
    let serves = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("the real thing")))
    });
    let response = stack.service(serves).oneshot(Request::default()).await.unwrap();
    assert!(!response.headers().contains_key("x-buttress-degraded"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "the real thing");
}

#[tokio::test]
async fn one_that_fails_is_degraded() {
    let fails = service_fn(async |_: Request<Full<Bytes>>| {
        let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    });
    let response = stack().unwrap().service(fails).oneshot(Request::default()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-buttress-degraded"], "placeholder");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a placeholder");
}
