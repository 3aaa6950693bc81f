//! What is copied of the fields of a response, and what they say of it.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AGE, CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRANSFER_ENCODING,
        UPGRADE,
    },
};

use super::storable::has;

/// What belongs to one connection or one answer, and not to those that it is served to again: the
/// fields of RFC 9110, section 7.6.1, and of RFC 9111, section 3.1, what is given to one visitor, and
/// the age, which is told anew. `Trailer` is none of them: without it a server over HTTP/1 sends no
/// trailers.
pub(super) static NOT_COPIED: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    SET_COOKIE,
    AGE,
];

/// What is copied of the fields of a response, be they in its head or its trailers.
pub(super) struct Fields {
    /// What its `Connection` names, and what therefore is not.
    hops: Vec<HeaderValue>,
}

impl Fields {
    pub(super) fn after(head: &HeaderMap) -> Self {
        Self { hops: head.get_all(CONNECTION).iter().cloned().collect() }
    }

    /// What is marked as sensitive stays out of the store as well.
    pub(super) fn of<'a>(
        &'a self,
        all: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        all.iter().filter(|(name, value)| {
            let is_hop = || self.hops.iter().any(|hops| has(hops, name.as_str()));
            !value.is_sensitive() && !NOT_COPIED.contains(name) && !is_hop()
        })
    }
}

/// A response that says twice how long it is, and not the same; or says what is no length.
pub(super) struct Unclear;

/// How long the response says that its body is. As a list, or several times, if it is the same each
/// time: RFC 9110, section 8.6.
pub(super) fn announced(headers: &HeaderMap) -> Result<Option<u64>, Unclear> {
    let mut announced = None;
    for list in headers.get_all(CONTENT_LENGTH) {
        for length in list.as_bytes().split(|byte| *byte == b',') {
            let length = number(length).ok_or(Unclear)?;
            if announced.replace(length).is_some_and(|other| other != length) {
                return Err(Unclear);
            }
        }
    }
    Ok(announced)
}

/// How old the response says that it is. Of a list the first counts: RFC 9111, section 5.1.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|age| age.as_bytes().split(|byte| *byte == b',').next());
    Duration::from_secs(first.and_then(number).unwrap_or(0))
}

/// A number that is digits and nothing else; the greatest, if it is too great.
fn number(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
