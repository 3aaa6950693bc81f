use buttress::prelude::*;
use http::{Request, Response};
use std::{convert::Infallible, time::Duration};
use tonic::{body::Body, transport::Channel};
use tonic_health::pb::health_client::HealthClient;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

pub type Shop = HealthClient<BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>>;

/// Build it once and clone it: clones share the breaker's and the bulkhead's state.
pub fn shop(channel: Channel) -> Result<Shop, ConfigError> {
    let (second, third) = (Duration::from_secs(1), Duration::from_millis(333));
    // The methods that do no harm when they are executed twice.
    let grpc = Grpc::new().repeatable(|path| path == "/grpc.health.v1.Health/Check");
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        // Gives a refusal of the layers inside the `tonic::Status` that belongs to it.
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::builder().protocol(grpc).name("shop").overall(second).build()?)
        .layer(ReplayBodyLayer::new())
        .layer(JitteredRetryLayer::builder().protocol(grpc).name("shop").build()?)
        .layer(BreakerLayer::builder().protocol(grpc).name("shop").build()?)
        .layer(BulkheadLayer::builder().protocol(grpc).name("shop").max_concurrent(50).build()?)
        .layer(TimeoutLayer::builder().protocol(grpc).name("attempt").overall(third).build()?)
        .layer(SendDeadlineLayer::new())
        .map_request(|request: Request<_>| request.map(Body::new))
        .service(channel);
    Ok(HealthClient::new(BoxCloneSyncService::new(service)))
}
