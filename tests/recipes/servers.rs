//! The servers, asked by clients of either version of HTTP, in time and too late.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{axum_server, hyper_server, tonic_server};

/// Asks a server that says hello, in time and too late.
async fn ask(address: SocketAddr, http2: bool) {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let ask = async |time: &str| {
        let request =
            Request::get(format!("http://{address}/")).header("x-request-timeout-ms", time);
        client.request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
    };
    let response = ask("10000").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(ask("0").await.status(), StatusCode::GATEWAY_TIMEOUT);
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn axum() {
    let (listener, address) = listen().await;
    tokio::spawn(async { ::axum::serve(listener, axum_server::app().unwrap()).await });
    for http2 in [false, true] {
        ask(address, http2).await;
    }
}

#[tokio::test]
async fn hyper() {
    let (listener, address) = listen().await;
    tokio::spawn(hyper_server::serve(listener));
    for http2 in [false, true] {
        ask(address, http2).await;
    }
}

#[tokio::test]
async fn tonic() {
    let (listener, address) = listen().await;
    tokio::spawn(async { tonic_server::serve(listener).await.map_err(drop) });
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut client = HealthClient::new(channel);
    let answer = client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
    let mut late = ::tonic::Request::new(HealthCheckRequest::default());
    // Not gRPC's own, by which tonic's client would cut the call itself.
    late.metadata_mut().insert("x-request-timeout-ms", "0".parse().unwrap());
    assert_eq!(client.check(late).await.unwrap_err().code(), Code::DeadlineExceeded);
}
