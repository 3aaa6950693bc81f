use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use reqwest::Body;
use std::time::Duration;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
pub type Pricing = BoxCloneSyncService<Request<Full<Bytes>>, Answer, BoxError>;

/// Build it once and clone it: clones share the breaker's and the bulkhead's state.
pub fn pricing() -> Result<Pricing, BoxError> {
    let (ms, name) = (Duration::from_millis, "pricing");
    // Where no connection was made, any request can be sent again.
    let http = Http::new().unsent(|e| e.downcast_ref().is_some_and(reqwest::Error::is_connect));
    let client = reqwest::Client::builder().connector_layer(ConnectTimeoutLayer::new(ms(500))?);
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(BodyExt::boxed_unsync))
        .layer(TimeoutLayer::builder().protocol(http).name(name).overall(ms(3000)).build()?)
        .layer(JitteredRetryLayer::builder().protocol(http).name(name).build()?)
        .layer(BreakerLayer::builder().protocol(http).name(name).build()?)
        .layer(BulkheadLayer::builder().protocol(http).name(name).max_concurrent(50).build()?)
        .layer(TimeoutLayer::builder().protocol(http).name("attempt").overall(ms(1000)).build()?)
        .layer(SendDeadlineLayer::new())
        .filter(|request: Request<_>| reqwest::Request::try_from(request.map(Body::wrap)))
        .map_response(Response::from);
    Ok(BoxCloneSyncService::new(stack.service(client.build()?)))
}
