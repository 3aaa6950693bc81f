//! The protocol of gRPC alone.

use std::error::Error;

use buttress_core::{
    Attempt, BoxError, Classify, Degraded, Discard, Follow, Follower, Held, Judgement, Obstacle,
    Outcome, Recording, Remembers, Repeat, Repeated, Substitute,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;

use crate::{
    Followed, Http, Substituted,
    content_type::is_grpc,
    discard::{self, Discarding},
    judge::{self, Codes, Statuses, Verdict},
    repeat,
};

/// In which a client says how many attempts it made before, by gRPC's proposal A6.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// The protocol of gRPC over HTTP/2, for clients and servers that speak nothing else.
///
/// [`Http`] understands gRPC as well, and is what fits where both pass. This one differs:
///
/// - What is not gRPC is no answer: whatever stands before a server and answers in its place, say a
///   proxy with its "404 Not Found", is judged by the code that gRPC has for its status.
/// - [`codes`](Self::codes) judges codes otherwise than by the table of [`Http`], in the head as in the
///   trailers.
/// - [`repeatable`](Self::repeatable) says which methods do no harm when they are executed twice.
/// - Each attempt but the first says in `grpc-previous-rpc-attempts` how many came before it. What a
///   gateway was told of its own caller's attempts is not passed on.
///
/// | HTTP | gRPC's code for it | outcome | repeated |
/// |---|---|---|---|
/// | 400 | INTERNAL | failure | no |
/// | 401, 403 | UNAUTHENTICATED, PERMISSION_DENIED | success | no |
/// | 404 | UNIMPLEMENTED | neutral | no |
/// | 429, 502, 503, 504 | UNAVAILABLE | failure | if repeatable, after its `grpc-retry-pushback-ms` or `Retry-After` |
/// | any other, also 200 | UNKNOWN | failure | no |
///
/// That is gRPC's "HTTP to gRPC Status Code Mapping". A `grpc-status` in the head is believed before
/// it, whatever the status of HTTP is.
///
/// A chaos layer damages under it what it damages under [`Http`], and answers with a code, from 0 to 16, in
/// a response that is its head alone, or what [`injected`](Self::injected) makes of it.
///
/// ```
/// use buttress_core::Judgement;
/// use buttress_http::Grpc;
///
/// let grpc = Grpc::new()
///     .repeatable(|path| path.starts_with("/shop.Catalogue/Get"))
///     // Here NOT_FOUND means that a shard is being moved.
///     .codes(|code| (code == 5).then_some(Judgement::FAILURE));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Grpc {
    pub(crate) http: Http,
    codes: Codes,
    repeatable: fn(&str) -> bool,
}

impl Grpc {
    /// gRPC with the meanings of the tables here and at [`Http`].
    pub const fn new() -> Self {
        Self { http: Http::new(), codes: Codes::TABLE, repeatable: |_| false }
    }

    /// Judges codes by this function, where it says something. Default: by the table of [`Http`].
    ///
    /// If the judgement allows another attempt, a `grpc-retry-pushback-ms` still says when, or that
    /// there is to be none. A call that ends without a status is one of 2, UNKNOWN. What is no number
    /// is not asked for, and has failed.
    pub const fn codes(mut self, judge: fn(u16) -> Option<Judgement>) -> Self {
        self.codes = Codes::judged_by(judge);
        self
    }

    /// Repeats the methods of which this function says, by their path, `/package.Service/Method`,
    /// that they do no harm when they are executed twice. Default: none.
    ///
    /// Besides those with an idempotency key, and those that are [marked](crate::Repeatable).
    pub const fn repeatable(mut self, repeatable: fn(&str) -> bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// As [`Http::slow_by_head`].
    ///
    /// Servers mostly send the head with the first message, so that the time of a call with one
    /// answer is as it was, and a stream may be as long as it likes.
    pub const fn slow_by_head(mut self) -> Self {
        self.http = self.http.slow_by_head();
        self
    }

    /// As [`Http::unsent`].
    pub const fn unsent(mut self, proves: fn(&(dyn Error + 'static)) -> bool) -> Self {
        self.http = self.http.unsent(proves);
        self
    }

    /// As [`Http::degraded_header`].
    pub const fn degraded_header(mut self, header: Option<&'static HeaderName>) -> Self {
        self.http = self.http.degraded_header(header);
        self
    }

    /// As [`Http::injected`]; it is handed a response that is its head alone, with the code that was asked
    /// for. It may give what no server of gRPC does, as the page of a proxy that stands before one.
    pub const fn injected(mut self, make: fn(Response<()>) -> Response<Bytes>) -> Self {
        self.http = self.http.injected(make);
        self
    }

    fn head(&self, status: StatusCode, headers: &HeaderMap) -> Judgement {
        if let Some(judgement) = self.codes.judge(headers) {
            return judgement;
        }
        let code = match status.as_u16() {
            200 if is_grpc(headers) => return Judgement::SUCCESS,
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => Codes::UNKNOWN,
        };
        // Whoever answers in the server's place says by HTTP's means when to come back.
        Statuses::new().hinted(self.codes.of(Some(code), headers), headers)
    }
}

impl Default for Grpc {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Classify<Response<B>> for Grpc {
    fn classify(&self, result: Result<&Response<B>, &BoxError>) -> Judgement {
        match result {
            Ok(response) => self.head(response.status(), response.headers()),
            Err(_) => self.http.classify(result),
        }
    }
}

impl<B> Follow<Response<B>> for Grpc
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response<F: Follower> = Response<Followed<B, F>>;

    fn follow<F: Follower>(&self, response: Response<B>, follower: F) -> Self::Response<F> {
        let verdict = Verdict::announced(response.status(), response.headers(), self.codes);
        response.map(|body| Followed::new(body, verdict, follower))
    }

    fn timed_to_head(&self, response: &Response<B>) -> bool {
        Follow::timed_to_head(&self.http, response)
    }
}

impl<B> Repeat<Request<B>> for Grpc
where
    B: Body + Default + 'static,
{
    fn repeat(&self, request: &Request<B>) -> Option<Repeated<Request<B>>> {
        repeat::request(request, || (self.repeatable)(request.uri().path()))
    }

    fn obstacle(&self, copy: &mut Request<B>, answered: bool) -> Option<Obstacle> {
        repeat::obstacle(copy, answered)
    }

    fn mark(&self, request: &mut Request<B>, attempt: Attempt) {
        repeat::mark(request, attempt, None);
        request.headers_mut().remove(PREVIOUS_ATTEMPTS);
        let previous = attempt.number.saturating_sub(1);
        if previous > 0 {
            // Where a map has no room for one header more, it is better to say nothing than to panic.
            let previous = HeaderValue::from(previous);
            let _ = request.headers_mut().try_insert(PREVIOUS_ATTEMPTS, previous);
        }
    }
}

impl<B: Body> Discard<Response<B>> for Grpc {
    type Discarding = Discarding<B>;

    fn discard(&self, response: Response<B>) -> Option<Discarding<B>> {
        discard::response(response)
    }
}

impl Remembers for Grpc {}

impl<B, A> Substitute<Response<B>, Response<A>> for Grpc
where
    B: Body<Data = Bytes>,
    A: Body<Data = Bytes>,
{
    type Response = Response<Substituted<B, A>>;

    fn original(&self, response: Response<B>) -> Self::Response {
        Substitute::<_, Response<A>>::original(&self.http, response)
    }

    fn check(&self, alternative: &Response<A>) -> Result<(), BoxError> {
        let judged = self.head(alternative.status(), alternative.headers());
        if judged.outcome == Outcome::Success {
            return Ok(());
        }
        let (status, headers) = (alternative.status(), alternative.headers());
        let foreign = if is_grpc(headers) { "" } else { ", which is not gRPC" };
        Err(format!("{}{foreign}", judge::refusal(status, headers)).into())
    }

    fn alternative(&self, alternative: Response<A>, held: Held) -> Self::Response {
        Substitute::<Response<B>, _>::alternative(&self.http, alternative, held)
    }

    fn mark(
        &self,
        response: &mut Self::Response,
        degraded: Degraded,
        failed: Option<&Response<B>>,
    ) {
        Substitute::<Response<B>, Response<A>>::mark(&self.http, response, degraded, failed);
    }

    fn record(&self, response: Response<B>, recording: Recording) -> Self::Response {
        Substitute::<_, Response<A>>::record(&self.http, response, recording)
    }

    fn recall(&self, copy: Bytes) -> Result<Self::Response, BoxError> {
        Substitute::<Response<B>, Response<A>>::recall(&self.http, copy)
    }
}
