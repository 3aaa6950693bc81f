//! What the tests that span the crates share: the one stack that goes around everything.

use std::time::Duration;

use buttress::{fallback::Nothing, prelude::*};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

/// The README, whose code is compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// What the fallback of [`stack`] answers with.
pub type Degraded = Response<Full<Bytes>>;

/// The recommended stack under HTTP: outermost last, as the type is built up.
pub type Recommended = ServiceBuilder<
    Stack<
        TimeoutLayer<Http>,
        Stack<
            BulkheadLayer<Http>,
            Stack<
                BreakerLayer<Http>,
                Stack<
                    JitteredRetryLayer<Http>,
                    Stack<
                        TimeoutLayer<Http>,
                        Stack<
                            FallbackLayer<(), Degraded, Http, Nothing>,
                            Stack<RespondLayer, Identity>,
                        >,
                    >,
                >,
            >,
        >,
    >,
>;

/// The recommended stack under HTTP, as one value that fits around anything.
///
/// # Errors
///
/// None: the settings are valid.
pub fn stack() -> Result<Recommended, ConfigError> {
    let http = Http::new();
    let fallback = FallbackLayer::builder()
        .value("placeholder", |_: &(), _: &buttress::fallback::Failure<'_>| {
            Response::new(Full::from("a placeholder"))
        })
        .protocol(http)
        .build()?;
    let attempt = Duration::from_millis(500);
    Ok(ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(fallback)
        .layer(TimeoutLayer::builder().overall(Duration::from_secs(2)).protocol(http).build()?)
        .layer(JitteredRetryLayer::builder().protocol(http).build()?)
        .layer(BreakerLayer::builder().protocol(http).build()?)
        .layer(BulkheadLayer::builder().max_concurrent(64).protocol(http).build()?)
        .layer(TimeoutLayer::builder().overall(attempt).protocol(http).build()?))
}
