//! Which requests may be sent twice, and the copy.

use std::any::Any;

use buttress_core::{Attempt, Repeatability, Repeated};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Body;
use http_body_util::Full;

/// The header by which a server tells two executions of one request apart, after the IETF draft
/// "The Idempotency-Key HTTP Header Field".
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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

pub(crate) fn request<B>(request: &Request<B>) -> Option<Repeated<Request<B>>>
where
    B: Body + Default + 'static,
{
    let mut copy = Request::new(body(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    let marked = request.extensions().get::<Repeatable>().is_some();
    let when = if marked || request.method().is_idempotent() || has_key(request.headers()) {
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
fn has_key(headers: &HeaderMap) -> bool {
    let key = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    key.is_some_and(|key| !key.trim_ascii().is_empty())
}

/// A second body like the first, which has not been read yet.
///
/// Bodies are of any type here, axum's and tonic's included, which are not `Clone`. Those that
/// are empty can be made anew. Of those that are not, the one type is known that clients hold
/// their small bodies in.
fn body<B: Body + Default + 'static>(body: &B) -> Option<B> {
    if body.is_end_stream() {
        return Some(B::default());
    }
    let full = (body as &dyn Any).downcast_ref::<Full<Bytes>>()?;
    let mut copy = B::default();
    (&mut copy as &mut dyn Any).downcast_mut::<Full<Bytes>>()?.clone_from(full);
    Some(copy)
}
