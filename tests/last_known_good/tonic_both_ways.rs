//! Around a tonic channel and a tonic server.

use buttress::{core::Degraded, prelude::*};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Code,
    body::Body,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::HealthReporter,
};
use tower::ServiceBuilder;

type Fallback = FallbackLayer<String, Response<Full<Bytes>>, Http, fn(&Request<Body>) -> String>;

/// Remembers by the method that is called, which tells apart all that is asked here, and by a tenant
/// in the metadata. The message is in the body, which a key does not see.
fn fallback() -> Fallback {
    let keep: fn(&Request<Body>) -> String = |request| {
        let tenant = request.headers().get("tenant").map_or("", |tenant| tenant.to_str().unwrap());
        format!("{} {tenant}", request.uri().path())
    };
    FallbackLayer::builder()
        .protocol(Http::new())
        .keep(keep)
        .last_known_good(
            "memory",
            LastKnownGood::new(MemoryStore::builder().build().unwrap(), |key: &String| {
                Some(key.clone())
            }),
        )
        .build()
        .unwrap()
}

async fn serve(layers: Option<(Fallback, ChaosLayer)>) -> (Channel, HealthReporter, JoinSet<()>) {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::NotServing).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let served = if let Some((fallback, chaos)) = layers {
            let layers =
                ServiceBuilder::new().layer(RespondLayer::new()).layer(fallback).layer(chaos);
            Server::builder().layer(layers).add_service(service).serve_with_incoming(incoming).await
        } else {
            Server::builder().add_service(service).serve_with_incoming(incoming).await
        };
        served.unwrap();
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (endpoint.connect_lazy(), reporter, task)
}

fn about(service: &str, tenant: &'static str) -> tonic::Request<HealthCheckRequest> {
    let mut request = tonic::Request::new(HealthCheckRequest { service: service.into() });
    request.metadata_mut().insert("tenant", tenant.parse().unwrap());
    request
}

/// NOT_SERVING.
const STATUS: i32 = 2;

#[tokio::test]
async fn around_a_channel() {
    let (channel, _reporter, _server) = serve(None).await;
    let chaos = ChaosLayer::builder().build().unwrap();
    let faults = chaos.handle();
    let service = ServiceBuilder::new().layer(fallback()).layer(chaos).service(channel);
    let mut client = HealthClient::new(service);

    let fresh = client.check(about("shop", "a")).await.unwrap();
    assert_eq!(fresh.get_ref().status, STATUS);
    assert!(fresh.extensions().get::<Degraded>().is_none());
    // A success of the dependency, but no answer: NOT_FOUND is not remembered in its place.
    let unknown = client.check(about("elsewhere", "a")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    faults.set(Faults::none().errors(1.0).unwrap()).unwrap();
    let remembered = client.check(about("shop", "a")).await.unwrap();
    assert_eq!(remembered.get_ref().status, STATUS);
    let mark = remembered.extensions().get::<Degraded>().unwrap();
    assert_eq!((&*mark.tier, mark.age.is_some()), ("memory", true));
    assert!(remembered.metadata().get("x-buttress-degraded").is_some());
    client.check(about("shop", "b")).await.unwrap_err();
}

#[tokio::test]
async fn around_a_server() {
    let chaos = ChaosLayer::builder().build().unwrap();
    let faults = chaos.handle();
    let (channel, _reporter, _server) = serve(Some((fallback(), chaos))).await;
    let mut client = HealthClient::new(channel);

    assert_eq!(client.check(about("shop", "a")).await.unwrap().into_inner().status, STATUS);
    faults.set(Faults::none().errors(1.0).unwrap()).unwrap();
    let remembered = client.check(about("shop", "a")).await.unwrap();
    assert_eq!(remembered.get_ref().status, STATUS);
    assert!(remembered.metadata().get("x-buttress-degraded").is_some());
    let refused = client.check(about("shop", "b")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

/// A stream that its reader leaves is not remembered.
#[tokio::test]
async fn a_stream_is_passed_on_as_it_comes_and_not_remembered_before_its_end() {
    let (channel, reporter, _server) = serve(None).await;
    let chaos = ChaosLayer::builder().build().unwrap();
    let faults = chaos.handle();
    let service = ServiceBuilder::new().layer(fallback()).layer(chaos).service(channel);
    let mut client = HealthClient::new(service);
    let mut stream = client.watch(about("shop", "a")).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().status, STATUS);
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    assert_eq!(stream.message().await.unwrap().unwrap().status, 1);
    drop(stream);
    faults.set(Faults::none().errors(1.0).unwrap()).unwrap();
    client.watch(about("shop", "a")).await.unwrap_err();
}
