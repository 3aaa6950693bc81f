//! The stack in front of hyper-util's client.

use buttress::prelude::Deadline;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceExt;

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
    let http2 = version == Version::H2;
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let service = layers.of_client().service(client);
    let request = seen::request(failure, format!("http://{}/", upstream.address));
    let call = Deadline::scoped(deadline(failure), service.oneshot(request));
    seen::result(call.await, &upstream).await
}
