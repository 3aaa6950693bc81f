//! What the head of a response means, and its trailers.

mod grpc;

use std::time::{Duration, SystemTime};

use buttress_core::{Judgement, Outcome, Retry};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use crate::grpc::is_grpc;

/// Judges a response by its head; the tables stand at [`Http`](crate::Http).
pub(crate) fn head(status: StatusCode, headers: &HeaderMap) -> Judgement {
    if status == StatusCode::OK
        && is_grpc(headers)
        && let Some(judgement) = grpc::status(headers)
    {
        return judgement;
    }
    // The clock of the day is read only for a response that may carry a date.
    let hint = || retry_after(headers, SystemTime::now());
    match status.as_u16() {
        429 => Judgement::NEUTRAL.retry(Retry::IfRepeatable).after(hint()),
        501 | 505 => Judgement::NEUTRAL,
        502..=504 => Judgement::FAILURE.after(hint()),
        ..500 => Judgement::SUCCESS,
        // 600 and above are to be treated as 5xx: RFC 9110, section 15.
        500.. => Judgement::FAILURE.retry(Retry::Never),
    }
}

/// Whether a response with these headers, which was judged a success, is an answer, or is to be one by
/// what its trailers say. Under gRPC only OK is: "not found" is a success of the dependency, but no
/// answer. So it is under gRPC-Web, which says a failure that has no message in its head, too.
pub(crate) fn is_answer(headers: &HeaderMap) -> bool {
    grpc::is_ok(headers).unwrap_or(true)
}

/// Where a response says how its call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// In its head; that the body comes to its end adds nothing to it.
    Head,
    /// In its trailers, under gRPC.
    Trailers,
}

impl Verdict {
    pub(crate) fn announced(status: StatusCode, headers: &HeaderMap) -> Self {
        if status == StatusCode::OK && is_grpc(headers) && grpc::status(headers).is_none() {
            Self::Trailers
        } else {
            Self::Head
        }
    }

    /// Whether a response whose head [is an answer](is_answer) is one by its end, too: by these
    /// trailers, or none.
    pub(crate) fn ends_as_answer(self, trailers: Option<&HeaderMap>) -> bool {
        match trailers.and_then(grpc::is_ok) {
            // Whatever the head said: a client reads the trailers, too.
            Some(is_ok) => is_ok,
            None => self == Self::Head,
        }
    }

    /// What it means that the body came to its end with these trailers, or with none.
    pub(crate) fn at_end(self, trailers: Option<&HeaderMap>) -> Outcome {
        match self {
            Self::Head => Outcome::Success,
            // Whoever does not say how the call went did not finish it.
            Self::Trailers => trailers
                .and_then(grpc::status)
                .map_or(Outcome::Failure, |judgement| judgement.outcome),
        }
    }
}

/// How long a `Retry-After` header asks to wait, counted from `now`.
///
/// Both forms of RFC 9110, section 10.2.3, are understood: seconds, and a date, of which one that
/// has passed means zero. Anything else counts as absent.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use http::{HeaderMap, header::RETRY_AFTER};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(RETRY_AFTER, "120".parse().unwrap());
/// let hint = buttress_http::retry_after(&headers, SystemTime::now());
/// assert_eq!(hint, Some(Duration::from_secs(120)));
/// ```
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are more than anyone waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}
