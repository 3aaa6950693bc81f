use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tower::{Layer, ServiceBuilder, util::BoxCloneSyncService};

type Body = UnsyncBoxBody<Bytes, BoxError>;
pub type Pricing = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, BoxError>;

/// For lookups alone: a price in its place would hide that an order failed. Clones share all state.
pub fn pricing() -> Result<Pricing, BoxError> {
    let (http, ms, name) = (Http::new(), Duration::from_millis, "pricing");
    let connector = ConnectTimeoutLayer::new(ms(500))?.layer(HttpConnector::new());
    let list_price = |_: &(), _: &Failure<'_>| Response::new(Full::from("9.99"));
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(BodyExt::boxed_unsync))
        .layer(FallbackLayer::builder().protocol(http).value("list-price", list_price).build()?)
        .layer(TimeoutLayer::builder().protocol(http).name(name).overall(ms(3000)).build()?)
        .layer(JitteredRetryLayer::builder().protocol(http).name(name).build()?)
        .layer(BreakerLayer::builder().protocol(http).name(name).build()?)
        .layer(BulkheadLayer::builder().protocol(http).name(name).max_concurrent(50).build()?)
        .layer(TimeoutLayer::builder().protocol(http).name("attempt").overall(ms(1000)).build()?)
        .layer(SendDeadlineLayer::new())
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok(BoxCloneSyncService::new(stack))
}
