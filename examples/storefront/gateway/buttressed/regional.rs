//! The service that recommends what its region likes, as a stand-in for personal recommendations.

use std::time::Duration;

use axum::http::Response;
use buttress::prelude::*;
use http_body_util::Full;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::{AT_ONCE, Answer, fallback::Stood, read};
use crate::{client::CountingClient, shop::Visit};

/// What one call may take. It comes after those that it stands in for, so there is no second one.
const ATTEMPT: Duration = Duration::from_millis(125);
/// What the tier may take. More than a call, so that the call's own timeout tells the breaker that
/// the service is slow; and less than the page has left.
pub(super) const WITHIN: Duration = Duration::from_millis(150);
/// How much of an outage of the recommendations may be here at once; the rest of the bulkhead
/// is for those who want regional recommendations in the first place.
pub(super) const AT_MOST: usize = AT_ONCE / 2;

/// The service as a tier calls it.
pub(super) type Regional = BoxCloneSyncService<RequestHead, Stood, BoxError>;

/// The service with layers of its own, for it can fail like any other.
pub(super) fn service(
    client: &CountingClient,
    open_for: Duration,
) -> Result<(Regional, BreakerHandle), BoxError> {
    let http = Http::new();
    let name = client.upstream().name();
    // The same for everybody: it is asked without a token.
    let ask = client.request(&Visit::default())?;
    let breaker = BreakerLayer::builder().consecutive_failures(5).open_for(open_for);
    let breaker = breaker.name(name).protocol(http).build()?;
    let handle = breaker.handle();
    let bulkhead = BulkheadLayer::builder().max_concurrent(AT_ONCE);
    let attempt = TimeoutLayer::builder().overall(ATTEMPT);
    let service = ServiceBuilder::new()
        .map_request(move |_head: RequestHead| ask.clone())
        .map_response(|Answer { content, .. }| Response::new(Full::new(content)))
        .and_then(read)
        .layer(breaker)
        .layer(bulkhead.name(name).protocol(http).build()?)
        .layer(attempt.name(name).protocol(http).build()?)
        .service(client.clone());
    Ok((BoxCloneSyncService::new(service), handle))
}
