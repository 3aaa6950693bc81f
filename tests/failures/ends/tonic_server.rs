//! The stack around a tonic server.

use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Request,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

use super::forward::Forward;
use crate::{failure::Failure, layers::Layers, seen, table::Version, upstream::Upstream};

pub(crate) async fn sees(failure: Failure) -> String {
    let upstream = Upstream::start(failure).await;
    let layers = Layers::that(failure);
    let server = Server::builder()
        .layer(layers.of_server())
        .add_service(Forward::to(upstream.address, Version::H2));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    // A call with one answer shows its head to nobody.
    let channel = ServiceBuilder::new().map_response(|response| {
        upstream.head_is_seen();
        response
    });
    let mut client = HealthClient::new(channel.service(endpoint.connect_lazy()));
    let mut request = Request::new(HealthCheckRequest::default());
    if failure == Failure::DeadlinePast {
        // Not gRPC's own, by which tonic's client would cut the call itself.
        request.metadata_mut().insert("x-request-timeout-ms", "0".parse().unwrap());
    }
    seen::status(client.check(request).await)
}
