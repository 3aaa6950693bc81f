//! The clients, in front of a server that is well, and of one that is not.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, routing::any};
use buttress::chaos::proxy::FaultProxy;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tower::ServiceExt;

use crate::{hyper_client, reqwest_client, tonic_client, tonic_server};

/// A server that answers 503 so many times, and then well, with what it was sent.
async fn server(mut failures: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let answer = move |body: Bytes| {
        failures = failures.saturating_sub(counted.fetch_add(1, Ordering::SeqCst));
        let status = if failures > 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move { (status, body) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", any(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

/// A way to it on which every connection is refused.
async fn refused(server: SocketAddr) -> FaultProxy {
    let proxy = FaultProxy::builder(server).start().await.unwrap();
    proxy.handle().refuse().await.unwrap();
    proxy
}

fn request(method: Method, address: SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://{address}/"));
    request.body(Full::from("12.50")).unwrap()
}

#[tokio::test]
async fn hyper() {
    let pricing = hyper_client::pricing().unwrap();
    let (address, seen) = server(1).await;
    let response = pricing.clone().oneshot(request(Method::PUT, address)).await.unwrap();
    assert!(!response.headers().contains_key("x-buttress-degraded"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "12.50");
    assert_eq!(seen.load(Ordering::SeqCst), 2, "the first failed");

    // What fails each time is answered by the list price, and says so.
    let (address, seen) = server(9).await;
    let response = pricing.oneshot(request(Method::PUT, address)).await.unwrap();
    assert_eq!(response.headers()["x-buttress-degraded"], "list-price");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "9.99");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn reqwest() {
    let pricing = reqwest_client::pricing().unwrap();
    let (address, seen) = server(1).await;
    let response = pricing.clone().oneshot(request(Method::PUT, address)).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "12.50");
    assert_eq!(seen.load(Ordering::SeqCst), 2, "the first failed");

    let nobody = refused(address).await;
    let error = pricing.oneshot(request(Method::POST, nobody.address())).await.unwrap_err();
    let error: &reqwest::Error = error.downcast_ref().unwrap();
    assert!(error.is_connect(), "{error}");
}

#[tokio::test]
async fn tonic() {
    let shop = |address: SocketAddr| {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        tonic_client::shop(endpoint.connect_lazy()).unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { tonic_server::serve(listener).await.map_err(drop) });
    let answer = shop(address).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
    let unknown = HealthCheckRequest { service: "nobody".into() };
    assert_eq!(shop(address).check(unknown).await.unwrap_err().code(), Code::NotFound);

    let nobody = refused(address).await;
    let status = shop(nobody.address()).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "Unavailable"));
}
