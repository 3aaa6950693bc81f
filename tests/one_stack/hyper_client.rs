//! Around a hyper-util client.

use axum::{Router, routing::get};
use buttress_tests::{Recommended, stack};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::ServiceExt;

pub(crate) async fn serves(stack: Recommended) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(async || "live"));
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let client =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http::<Full<Bytes>>();
    let service = stack.service(client);
    let get = || Request::get(format!("http://{address}/")).body(Full::default()).unwrap();

    let response = service.clone().oneshot(get()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "live");

    server.abort();
    let _ = server.await;
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.headers()["x-buttress-degraded"], "placeholder");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a placeholder");
}

#[tokio::test]
async fn a_client_of_a_server_that_comes_and_goes() {
    serves(stack().unwrap()).await;
}
