//! Which good responses may be served again.

use std::{error::Error, fmt};

use buttress_core::{Degraded, Key};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, SET_COOKIE, VARY},
    response::Parts,
};

use crate::judge;

use super::DEGRADED_HEADER;

/// Whether a response that was judged a success is one to be served again, under this key.
pub(super) fn is_good(head: &Parts, key: &Key, degraded: Option<&HeaderName>) -> bool {
    let Parts { status, headers, extensions, .. } = head;
    let is_degraded = extensions.get::<Degraded>().is_some()
        || headers.contains_key(DEGRADED_HEADER)
        || degraded.is_some_and(|header| headers.contains_key(header));
    status.is_success()
        // A part of a resource, or what has changed of it, is the answer to one request only.
        && !matches!(*status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED)
        && !is_degraded
        && judge::is_answer(headers)
        && !says(headers, CACHE_CONTROL, "no-store")
        && (key.is_private() || !says(headers, CACHE_CONTROL, "private"))
        && !says(headers, VARY, "*")
}

/// Why a response must not be stored under a key that would be good for another.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsuited {
    /// It depends on a field of the request that the key does not look at.
    Varies(String),
    /// It gives a cookie to a user, and may be made for him.
    Cookie,
}

/// What there is against storing a response with these fields under this key.
pub(super) fn unsuited(headers: &HeaderMap, key: &Key) -> Option<Unsuited> {
    if key.is_shared() && headers.contains_key(SET_COOKIE) {
        return Some(Unsuited::Cookie);
    }
    let lists = headers.get_all(VARY).iter().map(HeaderValue::as_bytes);
    let fields = lists.flat_map(|list| list.split(|byte| *byte == b','));
    let mut fields = fields.map(|field| String::from_utf8_lossy(field.trim_ascii()));
    let overlooked = fields.find(|field| !field.is_empty() && !key.looks_at(field))?;
    Some(Unsuited::Varies(overlooked.into_owned()))
}

impl fmt::Display for Unsuited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Varies(field) => {
                write!(f, "the answer varies by `{field}`, which its key does not look at")
            }
            Self::Cookie => {
                f.write_str("the answer sets a cookie, and its key is not that of a user")
            }
        }
    }
}

impl Error for Unsuited {}

/// Whether a field that is a list has this member, whatever its parameters.
pub(crate) fn says(headers: &HeaderMap, field: HeaderName, member: &str) -> bool {
    headers.get_all(field).iter().any(|list| has(list, member))
}

/// A comma in quotes separates nothing, but counts here, too: so a member may be seen where there is
/// none, and none is missed.
pub(super) fn has(list: &HeaderValue, member: &str) -> bool {
    list.as_bytes().split(|byte| *byte == b',').any(|said| {
        let name = said.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(member.as_bytes())
    })
}
