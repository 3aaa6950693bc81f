//! Around a tonic channel and a tonic server.

use std::time::Duration;

use buttress::{http::Watched, prelude::*};
use buttress_tests::{Recommended, stack};
use http::Request;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

/// A health server on a real socket, with the stack around it if there is one.
async fn serve(stack: Option<Recommended>) -> (Channel, tokio::task::JoinHandle<()>) {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener);
    let server = tokio::spawn(async move {
        let served = if let Some(stack) = stack {
            Server::builder().layer(stack).add_service(service).serve_with_incoming(incoming).await
        } else {
            Server::builder().add_service(service).serve_with_incoming(incoming).await
        };
        served.unwrap();
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (endpoint.connect_lazy(), server)
}

fn shop() -> HealthCheckRequest {
    HealthCheckRequest { service: "shop".into() }
}

pub(crate) async fn channel_serves(stack: Recommended) {
    let (channel, server) = serve(None).await;
    let mut client = HealthClient::new(stack.service(channel));
    assert_eq!(client.check(shop()).await.unwrap().into_inner().status, 1);
    server.abort();
}

pub(crate) async fn server_serves(stack: Recommended) {
    let (channel, server) = serve(Some(stack)).await;
    let mut client = HealthClient::new(channel);
    assert_eq!(client.check(shop()).await.unwrap().into_inner().status, 1);
    // A stream stays open past the head, and is not cut short of its first message.
    let mut stream = client.watch(shop()).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().status, 1);
    server.abort();
}

#[tokio::test]
async fn around_a_channel() {
    channel_serves(stack().unwrap()).await;
}

#[tokio::test]
async fn around_a_server() {
    server_serves(stack().unwrap()).await;
}

#[tokio::test]
async fn around_both_and_boxed() {
    let (channel, server) = serve(Some(stack().unwrap())).await;
    let service = BoxCloneSyncService::new(stack().unwrap().service(channel));
    let mut client = HealthClient::new(service);
    assert_eq!(client.check(shop()).await.unwrap().into_inner().status, 1);
    server.abort();
}

/// tonic's channel takes one type of body and no other; what wraps it gives it that.
#[tokio::test]
async fn limits_on_the_request_body_fit_around_a_channel() {
    let (channel, server) = serve(None).await;
    let limits = TransferTimeoutLayer::builder().write(Duration::from_secs(5)).build().unwrap();
    let channel = ServiceBuilder::new()
        .layer(limits)
        .map_request(|request: Request<Watched<_>>| request.map(Body::new))
        .service(channel);
    let mut client = HealthClient::new(channel);
    assert_eq!(client.check(shop()).await.unwrap().into_inner().status, 1);
    server.abort();
}
