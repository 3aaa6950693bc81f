//! The response that HTTP has for an error.

use std::{error::Error, time::Duration};

use buttress_core::{Rejection, RejectionKind};
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;

/// What a caller is told where the layer has no estimate: places come free as calls end, and a
/// half-open circuit closes as its probe does, so soon.
const SOON: Duration = Duration::from_secs(1);

/// The response to an error, by the table of the module's page.
pub(super) fn response(error: &(dyn Error + 'static), full: StatusCode) -> Response<Full<Bytes>> {
    let rejection = Rejection::find(error);
    let (status, retry_after) = match rejection.map(Rejection::kind) {
        None => (StatusCode::BAD_GATEWAY, None),
        Some(RejectionKind::TimedOut { .. } | RejectionKind::DeadlineExceeded { .. }) => {
            (StatusCode::GATEWAY_TIMEOUT, None)
        }
        Some(RejectionKind::CircuitOpen { .. }) => (StatusCode::SERVICE_UNAVAILABLE, Some(SOON)),
        Some(RejectionKind::Injected) => (StatusCode::SERVICE_UNAVAILABLE, None),
        Some(RejectionKind::BulkheadFull { .. } | RejectionKind::QueueTimeout { .. }) => {
            (full, Some(SOON))
        }
        Some(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
    };
    let retry_after = rejection.and_then(Rejection::retry_after).or(retry_after);
    let text = status.canonical_reason().unwrap_or("error");

    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(delay) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds_rounded_up(delay)));
    }
    response
}

fn seconds_rounded_up(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_never_rounded_down() {
        for (delay, seconds) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(29_001), 30),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(seconds_rounded_up(delay), seconds, "{delay:?}");
        }
    }
}
