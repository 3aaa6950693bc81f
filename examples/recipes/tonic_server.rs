use std::{error::Error, time::Duration};

use buttress::prelude::*;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::ServiceBuilder;

pub async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let grpc = Grpc::new();
    let two_seconds = Duration::from_secs(2);
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(AcceptDeadlineLayer::new())
        .layer(TimeoutLayer::builder().protocol(grpc).overall(two_seconds).build()?)
        .layer(BulkheadLayer::builder().protocol(grpc).max_concurrent(200).build()?);
    // A service of your own, as it is generated; here the one that says whether all is well.
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(stack).add_service(health);
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}
