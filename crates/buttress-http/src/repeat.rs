//! Which requests may be sent twice, and the copy.

use std::any::Any;

use buttress_core::{Attempt, Obstacle, Repeatability, Repeated};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Body;
use http_body_util::Full;

use crate::ReplayBody;

/// The header by which a server tells two executions of one request apart, after the IETF draft
/// "The Idempotency-Key HTTP Header Field".
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks a request, in its extensions, as one that does no harm when it is executed twice,
/// whatever its method: a POST that only looks something up, a gRPC method that is idempotent.
///
/// ```
/// use buttress_http::Repeatable;
///
/// let mut search = http::Request::post("/search").body(()).unwrap();
/// search.extensions_mut().insert(Repeatable);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeatable;

/// A copy of the request, if there can be one, and when it may be sent: always, if what it asks for does
/// no harm twice.
pub(crate) fn request<B>(
    request: &Request<B>,
    idempotent: impl FnOnce() -> bool,
) -> Option<Repeated<Request<B>>>
where
    B: Body + Default + 'static,
{
    let mut copy = Request::new(body(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    let marked = || request.extensions().get::<Repeatable>().is_some();
    // What costs least is asked first.
    let when = if idempotent() || marked() || has_key(request.headers()) {
        Repeatability::Always
    } else {
        Repeatability::OnlyUnsent
    };
    Some(Repeated { request: copy, when })
}

/// Writes into a request which attempt it is: into its extensions, and its number into this header.
pub(crate) fn mark<B>(request: &mut Request<B>, attempt: Attempt, header: Option<&HeaderName>) {
    request.extensions_mut().insert(attempt);
    if let Some(header) = header {
        // Where a map has no room for one header more, it is better to say nothing than to panic.
        let number = HeaderValue::from(attempt.number);
        let _ = request.headers_mut().try_insert(header, number);
    }
}

/// A key that says nothing tells no two executions apart.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    let key = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    key.is_some_and(|key| !key.trim_ascii().is_empty())
}

/// A second body like the first, which has not been read yet.
///
/// Bodies are of any type here, axum's and tonic's included, which are not `Clone`. Those that
/// are empty can be made anew. Of those that are not, two types are known: the one that clients hold
/// their small bodies in, and the one that is made to be sent again.
fn body<B: Body + Default + 'static>(body: &B) -> Option<B> {
    let known: &dyn Any = body;
    // First, for one that was read is at its end, and not empty.
    if let Some(replay) = known.downcast_ref::<ReplayBody>() {
        return same(replay.clone());
    }
    if body.is_end_stream() {
        return Some(B::default());
    }
    same(known.downcast_ref::<Full<Bytes>>()?.clone())
}

/// Why a copy can not be sent, now that the attempt has ended which it is a copy of.
pub(crate) fn obstacle<B: 'static>(copy: &mut Request<B>, answered: bool) -> Option<Obstacle> {
    let body: &mut dyn Any = copy.body_mut();
    body.downcast_mut::<ReplayBody>()?.claim(answered).err()
}

/// The value itself, which is known to be of the type asked for.
fn same<A: 'static, B: 'static>(value: A) -> Option<B> {
    let mut value = Some(value);
    (&mut value as &mut dyn Any).downcast_mut::<Option<B>>()?.take()
}
