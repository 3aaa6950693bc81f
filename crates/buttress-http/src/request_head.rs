//! What a request says before its body.

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// A request without its body: what the tiers of a fallback see of one, as its view.
///
/// It is copied on every call, its extensions too, which takes some allocations. Whoever needs less
/// keeps less.
///
/// ```
/// use buttress_http::RequestHead;
/// use http::Request;
///
/// let keep = |request: &Request<String>| RequestHead::of(request);
/// assert_eq!(keep(&Request::new("body".to_owned())).method, http::Method::GET);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target: under a server mostly its path alone.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
    /// What layers outside, and the server, have left for those inside.
    pub extensions: Extensions,
}

impl RequestHead {
    /// That of this request.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        }
    }
}

impl<B> From<&Request<B>> for RequestHead {
    fn from(request: &Request<B>) -> Self {
        Self::of(request)
    }
}
