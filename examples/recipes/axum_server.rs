use std::time::Duration;

use axum::{Router, routing::get};
use buttress::prelude::*;
use tower::ServiceBuilder;

pub fn app() -> Result<Router, ConfigError> {
    let http = Http::new();
    let two_seconds = Duration::from_secs(2);
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(AcceptDeadlineLayer::new())
        .layer(TimeoutLayer::builder().protocol(http).overall(two_seconds).build()?)
        .layer(BulkheadLayer::builder().protocol(http).max_concurrent(200).build()?);
    // What a handler calls inherits the deadline: the layer's, or a sooner one of the caller.
    Ok(Router::new().route("/", get(|| async { "hello" })).layer(stack))
}
