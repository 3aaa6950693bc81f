//! In few lines, and for one call: the stack around reqwest's client.

use std::time::Duration;

use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt};

pub(crate) async fn order(url: &str) -> Result<Bytes, BoxError> {
    let http = Http::new().unsent(|error| {
        error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
    });
    let connect = ConnectTimeoutLayer::new(Duration::from_secs(1))?;
    let client = reqwest::Client::builder().connector_layer(connect).build()?;
    let shop = ServiceBuilder::new()
        .layer(TimeoutLayer::builder().overall(Duration::from_secs(5)).protocol(http).build()?)
        .layer(JitteredRetryLayer::builder().protocol(http).build()?)
        .layer(BreakerLayer::builder().protocol(http).build()?)
        .layer(BulkheadLayer::builder().max_concurrent(50).protocol(http).build()?)
        .layer(SendDeadlineLayer::new())
        .filter(|request: Request<Full<Bytes>>| request.map(reqwest::Body::wrap).try_into())
        .map_response(Response::from)
        .service(client);

    let request = Request::put(url).body(Full::from("an order"))?;
    Ok(shop.oneshot(request).await?.into_body().collect().await?.to_bytes())
}
