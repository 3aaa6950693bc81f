//! The protocol of HTTP requests and responses.

use buttress_core::{
    BoxError, Classify, Degraded, Follow, Follower, Judgement, Repeat, Repeated, Substitute,
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::Either;

use crate::{Followed, judge, repeat};

/// The header that names the tier of a fallback that served a degraded answer.
pub const DEGRADED_HEADER: HeaderName = HeaderName::from_static("x-buttress-degraded");

/// The protocol of HTTP requests and responses.
///
/// # What a result means
///
/// | result | outcome | repeated |
/// |---|---|---|
/// | 1xx, 2xx, 3xx, 4xx | success: the dependency works | no |
/// | 429 Too Many Requests | neutral: it works, but not for us now | if repeatable, after its `Retry-After` |
/// | 500, other 5xx, and what lies above | failure | no: the same request would fail the same way |
/// | 501, 505 | neutral: a standing property of the server | no |
/// | 502, 503, 504 | failure | if repeatable, after its `Retry-After` |
/// | a body that breaks off | failure | no: its head has been passed on |
/// | an error | as [`Judgement::of_error`] | |
///
/// # When a response is over
///
/// When its body ends, breaks off or is dropped; see [`Followed`].
///
/// # Which requests are repeated
///
/// Those with an idempotent method by RFC 9110, section 9.2.2, and those that carry an
/// `Idempotency-Key` header. Others only where a classifier says, by
/// [`Retry::Safe`](buttress_core::Retry::Safe), that the first was certainly not executed. And
/// only if the body can be had twice, that is, if it is empty or a `Full<Bytes>`; a client that
/// passes on bodies of hyper's `Incoming` puts them into a body that has a `Default`, such as
/// http-body-util's `BoxBody`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http {}

impl Http {
    /// HTTP with the meanings of the table above.
    pub const fn new() -> Self {
        Self {}
    }
}

impl<B> Classify<Response<B>> for Http {
    fn classify(&self, result: Result<&Response<B>, &BoxError>) -> Judgement {
        match result {
            Ok(response) => judge::head(response.status(), response.headers()),
            Err(error) => Judgement::of_error(error.as_ref()),
        }
    }
}

impl<B> Follow<Response<B>> for Http
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response<F: Follower> = Response<Followed<B, F>>;

    fn follow<F: Follower>(&self, response: Response<B>, follower: F) -> Self::Response<F> {
        response.map(|body| Followed::new(body, follower))
    }
}

impl<B> Repeat<Request<B>> for Http
where
    B: Body + Default + 'static,
{
    fn repeat(&self, request: &Request<B>) -> Option<Repeated<Request<B>>> {
        repeat::request(request)
    }
}

impl<B, A> Substitute<Response<B>, Response<A>> for Http
where
    B: Body,
    A: Body<Data = B::Data>,
{
    type Response = Response<Either<B, A>>;

    fn original(&self, response: Response<B>) -> Self::Response {
        response.map(Either::Left)
    }

    fn substitute(&self, alternative: Response<A>, degraded: Degraded) -> Self::Response {
        let mut response = alternative.map(Either::Right);
        // A tier whose name no header can carry is still marked by the extension.
        if let Ok(tier) = HeaderValue::from_str(&degraded.tier) {
            response.headers_mut().insert(DEGRADED_HEADER, tier);
        }
        response.extensions_mut().insert(degraded);
        response
    }
}
