//! The stack in front of tonic's client.

use buttress::prelude::{Deadline, RespondLayer};
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

use crate::{
    failure::Failure,
    layers::{Layers, deadline},
    seen,
    upstream::Upstream,
};

pub(crate) async fn sees(failure: Failure) -> String {
    let upstream = Upstream::start(failure).await;
    let layers = Layers::that(failure);
    let endpoint = Endpoint::from_shared(format!("http://{}", upstream.address)).unwrap();
    // A call with one answer shows its head to nobody.
    let channel = ServiceBuilder::new().map_response(|response| {
        upstream.head_is_seen();
        response
    });
    let client = layers.of_client().service(channel.service(endpoint.connect_lazy()));
    let client = ServiceBuilder::new().layer(RespondLayer::new()).service(client);
    let mut client = HealthClient::new(client);
    let call = client.check(HealthCheckRequest::default());
    seen::status(Deadline::scoped(deadline(failure), call).await)
}
