//! The stack in front of reqwest's client.

use buttress::prelude::Deadline;
use http::{Request, Response};
use reqwest::{Body, Client};
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    failure::Failure,
    layers::{Layers, deadline},
    seen,
    table::Version,
    upstream::Upstream,
};

pub(crate) async fn sees(failure: Failure, version: Version) -> String {
    let upstream = Upstream::start(failure).await;
    let layers = Layers::that(failure);
    let client = match version {
        Version::H1 => Client::builder(),
        Version::H2 => Client::builder().http2_prior_knowledge(),
    };
    // What calls this machine goes by no proxy of its environment.
    let client = client.no_proxy();
    let client = ServiceBuilder::new()
        .filter(|request: Request<_>| reqwest::Request::try_from(request.map(Body::wrap)))
        .map_response(Response::from)
        .service(client.build().unwrap());
    let service = layers.of_client().service(client);
    let request = seen::request(failure, format!("http://{}/", upstream.address));
    let call = Deadline::scoped(deadline(failure), service.oneshot(request));
    let result: Result<Response<_>, _> = call.await;
    seen::result(result, &upstream).await
}
