//! What the head of a response means, and its trailers.

mod grpc;

use std::time::{Duration, SystemTime};

use buttress_core::{Judgement, Retry};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

pub(crate) use grpc::Codes;

use crate::content_type::is_grpc;

/// How statuses are judged, and where a hint is read: by the table at [`Http`](crate::Http), where
/// nothing else was said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statuses {
    pub(crate) judge: Option<fn(StatusCode) -> Option<Judgement>>,
    pub(crate) hint: Option<fn(&HeaderMap) -> Option<Duration>>,
}

impl Statuses {
    pub(crate) const fn new() -> Self {
        Self { judge: None, hint: None }
    }

    /// Judges a response by its head, which is not one of gRPC.
    pub(crate) fn judge(&self, status: StatusCode, headers: &HeaderMap) -> Judgement {
        let own = self.judge.and_then(|judge| judge(status));
        let judgement = own.unwrap_or_else(|| match status.as_u16() {
            429 => Judgement::NEUTRAL.retry(Retry::IfRepeatable),
            501 | 505 => Judgement::NEUTRAL,
            502..=504 => Judgement::FAILURE,
            ..500 => Judgement::SUCCESS,
            // 600 and above are to be treated as 5xx: RFC 9110, section 15.
            500.. => Judgement::FAILURE.retry(Retry::Never),
        });
        self.hinted(judgement, headers)
    }

    /// A judgement that allows another attempt, with the hint of these headers, if it has none.
    pub(crate) fn hinted(&self, judgement: Judgement, headers: &HeaderMap) -> Judgement {
        if judgement.retry == Retry::Never || judgement.after.is_some() {
            return judgement;
        }
        judgement.after(match self.hint {
            Some(hint) => hint(headers),
            // The clock of the day is read only for a response that may carry a date.
            None => retry_after(headers, SystemTime::now()),
        })
    }
}

/// What the head of a response means that is one of gRPC: a success until its trailers come, unless it
/// says its status itself. None for any other.
pub(crate) fn grpc_head(
    status: StatusCode,
    headers: &HeaderMap,
    codes: Codes,
) -> Option<Judgement> {
    let is_grpc = status == StatusCode::OK && is_grpc(headers);
    is_grpc.then(|| codes.judge(headers).unwrap_or(Judgement::SUCCESS))
}

/// Says that a response with this head is no answer, by its own status.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap) -> String {
    // Under gRPC that stands beside a 200.
    match grpc::said(headers) {
        Some(code) if status.is_success() => format!("it answered gRPC status {code:?}"),
        _ => format!("it answered {status}"),
    }
}

/// Whether a response with these headers, which was judged a success, is an answer, or is to be one by
/// what its trailers say. Under gRPC only OK is: "not found" is a success of the dependency, but no
/// answer. So it is under gRPC-Web, which says a failure that has no message in its head, too.
pub(crate) fn is_answer(headers: &HeaderMap) -> bool {
    grpc::is_ok(headers).unwrap_or(true)
}

/// Where a response says how its call went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// In its head; that the body comes to its end adds nothing to it.
    Head,
    /// In its trailers, under gRPC.
    Trailers(Codes),
}

impl Verdict {
    pub(crate) fn announced(status: StatusCode, headers: &HeaderMap, codes: Codes) -> Self {
        if status == StatusCode::OK && is_grpc(headers) && grpc::said(headers).is_none() {
            Self::Trailers(codes)
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
            None => matches!(self, Self::Head),
        }
    }

    /// What it means that the body came to its end with these trailers, or with none.
    #[inline]
    pub(crate) fn at_end(self, trailers: Option<&HeaderMap>) -> Judgement {
        match self {
            Self::Head => Judgement::SUCCESS,
            Self::Trailers(codes) => Self::said_by(codes, trailers),
        }
    }

    fn said_by(codes: Codes, trailers: Option<&HeaderMap>) -> Judgement {
        // Whoever does not say how the call went did not finish it.
        trailers
            .and_then(|trailers| codes.judge(trailers))
            .unwrap_or_else(|| codes.of(Some(Codes::UNKNOWN), &HeaderMap::new()))
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
