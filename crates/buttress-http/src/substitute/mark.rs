//! How a response says that it is not the one that was asked for.

use std::fmt::Write;

use buttress_core::Degraded;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::AGE};

/// The header that names the tier of a fallback that served a degraded answer, and says how many
/// seconds old the answer is if it was remembered: `last-known-good; age=12`.
pub const DEGRADED_HEADER: HeaderName = HeaderName::from_static("x-buttress-degraded");

/// The same, to be referred to.
pub(crate) static DEGRADED: HeaderName = DEGRADED_HEADER;

/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Marks a response that stands in for one of this status, or for an error.
pub(super) fn response<B>(
    response: &mut Response<B>,
    degraded: Degraded,
    failed: Option<StatusCode>,
    header: Option<&HeaderName>,
) {
    let headers = response.headers_mut();
    let age = degraded.age.map(|age| age.as_secs());
    if let Some(header) = header {
        let mut mark = degraded.tier.to_string();
        if let Some(age) = age {
            let _ = write!(mark, "; age={age}");
        }
        // A tier whose name no header can carry is still marked by the extension. Where a map has no
        // room for one header more, it is better to say nothing than to panic.
        if let Ok(mark) = HeaderValue::try_from(mark) {
            let _ = headers.try_insert(header, mark);
        }
    }
    if let Some(age) = age {
        let _ = headers.try_insert(AGE, HeaderValue::from(age));
        // It is appended to what caches further inside said, as the RFC has it.
        if let Ok(status) = HeaderValue::try_from(cache_status(&degraded, failed)) {
            let _ = headers.try_append(CACHE_STATUS, status);
        }
    }
    response.extensions_mut().insert(degraded);
}

/// What a cache says that had an answer, asked further all the same, and found that it had to do with
/// what it had.
fn cache_status(degraded: &Degraded, failed: Option<StatusCode>) -> String {
    let mut said = quoted(&degraded.layer);
    said.push_str("; fwd=stale");
    if let Some(status) = failed {
        let _ = write!(said, "; fwd-status={}", status.as_u16());
    }
    said.push_str("; detail=");
    said.push_str(&quoted(&degraded.tier));
    said
}

/// A string of RFC 8941, which knows nothing but visible ASCII and spaces.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}
