//! The layers around reqwest's client as it is, with its own requests and responses.

use std::time::Duration;

use buttress::{chaos::proxy::Toxic, core::Phase, prelude::*};
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    shop::client,
    upstream::{Upstream, status},
};

#[tokio::test]
async fn nothing_is_needed_between() {
    let upstream = Upstream::start(async |_| status(200)).await;
    let (proxy, url) = upstream.by_proxy().await;
    let stacked = |limit| {
        ServiceBuilder::new()
            .layer(TimeoutLayer::new(limit).unwrap())
            .layer(BreakerLayer::new())
            .layer(BulkheadLayer::new(50).unwrap())
            .service(client())
    };
    let get = || reqwest::Request::new(http::Method::GET, url.parse().unwrap());
    let patient = stacked(Duration::from_secs(30));
    let response = patient.oneshot(get()).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "a short page");
    proxy.handle().add("hangs", Toxic::blackhole()).unwrap();
    let limit = Duration::from_millis(200);
    let error = stacked(limit).oneshot(get()).await.unwrap_err();
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert_eq!(rejection.kind(), &RejectionKind::TimedOut { phase: Phase::Overall, limit });
}
