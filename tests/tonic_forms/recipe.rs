//! In few lines: the stack around a channel, whose refusals are statuses of gRPC.

use std::time::Duration;

use buttress::prelude::*;
use tokio::net::TcpListener;
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

/// With a client as tonic generates them. Nobody answers: first it takes too long, then it is refused.
#[tokio::test]
async fn errors_are_statuses_by_one_layer() -> Result<(), BoxError> {
    let (http, limit) = (Http::new(), Duration::from_millis(100));
    let peer = TcpListener::bind("127.0.0.1:0").await?;
    let channel = Endpoint::from_shared(format!("http://{}", peer.local_addr()?))?.connect_lazy();
    let shop = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::builder().overall(limit).protocol(http).build()?)
        .layer(BreakerLayer::builder().consecutive_failures(1).protocol(http).build()?)
        .layer(BulkheadLayer::builder().max_concurrent(50).protocol(http).build()?)
        .service(channel);
    let mut shop = HealthClient::new(shop);
    let mut seen = async || -> (Code, String) {
        let status: Status = shop.check(HealthCheckRequest::default()).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    assert_eq!(seen().await, (Code::DeadlineExceeded, "Deadline Exceeded".into()));
    assert_eq!(seen().await, (Code::Unavailable, "Unavailable".into()));
    Ok(())
}
