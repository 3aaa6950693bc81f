//! How much time a foreign server is told that it has.

use std::time::Duration;

use buttress::prelude::*;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};

use crate::python::Server;

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn python_sees_the_remaining_time_that_we_send() {
    let server = Server::start().await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let client = ServiceBuilder::new().layer(SendDeadlineLayer::new()).service(client);
    let deadline = Deadline::after(Duration::from_secs(20));
    let mut before = deadline.remaining();
    for _ in 0..2 {
        let request = Request::post(format!("{}/buttress.Forms/Unary", server.uri))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"\0\0\0\0\x04left")))
            .unwrap();
        let call = Deadline::scoped(Some(deadline), client.clone().oneshot(request));
        let response = call.await.unwrap();
        let answer = response.into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
        let text = String::from_utf8(answer.to_bytes()[5..].to_vec()).unwrap();
        let seen = Duration::from_secs_f64(text.parse::<f64>().expect("milliseconds") / 1000.0);
        assert!(seen > Duration::ZERO && seen < before, "{seen:?} of {before:?}");
        before = seen;
    }
}
