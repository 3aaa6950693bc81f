//! The protocol of HTTP requests and responses.

use std::{error::Error, time::Duration};

use buttress_core::{
    Attempt, BoxError, Classify, Discard, Follow, Follower, Judgement, Obstacle, Repeat, Repeated,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::Body;

use crate::{
    Followed,
    discard::{self, Discarding},
    judge::{self, Codes, Statuses, Verdict},
    repeat,
    substitute::DEGRADED,
    unsent::Unsent,
};

/// The header in which Envoy says which attempt a request is, from 1; for
/// [`Http::attempt_header`].
pub static ENVOY_ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");

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
/// | an error that proves that nothing was sent | failure | every request of which there is a copy |
/// | another error | as [`Judgement::of_error`] | |
///
/// [`statuses`](Self::statuses) judges otherwise, and [`hint`](Self::hint) reads another header.
///
/// Under gRPC, which is a 200 with its content type, it is the `grpc-status` that says how the call
/// went: the one in the head, where the response is its head alone, or else the one in the trailers.
///
/// | status | outcome | repeated |
/// |---|---|---|
/// | UNAVAILABLE | failure | if repeatable, after its `grpc-retry-pushback-ms` |
/// | RESOURCE_EXHAUSTED | neutral | if repeatable, and only after a `grpc-retry-pushback-ms` |
/// | UNKNOWN, INTERNAL, DATA_LOSS, DEADLINE_EXCEEDED, and what is no code | failure | no |
/// | CANCELLED, UNIMPLEMENTED | neutral | no |
/// | all others | success: the dependency works | no |
/// | a body that ends, and said none | failure: the call was not finished | no |
///
/// Until the trailers come the head counts, as a success, and it stays with that for a body that is
/// dropped before. They are told to whoever follows the body, as a breaker does, also one with a
/// classifier of its own, for that judges heads. What fails so late is not repeated: a retry goes by
/// the head. gRPC-Web, whose trailers are data, is HTTP like any other.
///
/// A pushback that is negative, or no number, means that there is to be no other attempt. gRPC
/// requests are POSTs: those of a method that is idempotent need the mark. A client that speaks
/// nothing but gRPC has [`Grpc`](crate::Grpc), where all this can be chosen.
///
/// # When a response is over
///
/// When its body ends, breaks off or is dropped; see [`Followed`].
///
/// # Which requests are repeated
///
/// Those with an idempotent method by RFC 9110, section 9.2.2, those that carry an
/// `Idempotency-Key` header, and those [marked](crate::Repeatable) in their extensions;
/// [`idempotent`](Self::idempotent) says which methods are. Others
/// only where it is proved that the first was not executed: by an error that says so (see
/// [`unsent`](Self::unsent)), or by a classifier's [`Retry::Safe`](buttress_core::Retry::Safe).
///
/// And only if the body can be had twice, that is, if it is empty, a `Full<Bytes>`, or a
/// [`ReplayBody`](crate::ReplayBody), which [`ReplayBodyLayer`](crate::ReplayBodyLayer) makes of any
/// other. Without that layer, a client that passes on bodies of hyper's `Incoming` puts them into a
/// body that has a `Default`, such as http-body-util's `BoxBody`.
///
/// Each attempt carries its [`Attempt`] in its extensions.
///
/// An answer that comes while a [`ReplayBody`](crate::ReplayBody) is still being sent is not followed
/// by another attempt; a body that is cloned as a whole goes again.
///
/// # What it costs
///
/// Three allocations for the [`Attempt`], and for the copy of a request that may be repeated those of
/// its headers, its URI and its body: three more for one with a host and a header. A request without
/// headers whose body is empty has nothing to copy.
///
/// # What becomes of a response that is replaced
///
/// It is dropped, over HTTP/1 after a short rest was [read](Discarding).
///
/// # What is remembered
///
/// Under a fallback that remembers, a good response is copied while it passes to its caller, who waits
/// for nothing. It is stored when all of it has come:
///
/// | response | stored | why |
/// |---|---|---|
/// | 2xx | yes, at the end of its body | |
/// | 206 Partial Content, 226 IM Used | no | it answers one request only |
/// | any other status | no | it is no answer to be had again |
/// | `Cache-Control: no-store`, `Vary: *` | no | the server says so |
/// | `Vary` with a field that its key does not look at | no, which is told | it may be the answer to another question; a key of your own is believed to look at all |
/// | `Cache-Control: private` | under a key of one user | the server says so |
/// | `Set-Cookie` | under a key of one user, or where users are alike; without it | what comes with it may be made for him; else it is told |
/// | one that is degraded itself | no | it would grow old unseen |
/// | under gRPC, one that ends otherwise than with OK | no | "not found" is no answer |
/// | one that breaks off, or that its reader leaves early | no | nobody knows the rest |
/// | one left when all of its `Content-Length` had come | yes, if it announced no `Trailer` | servers ask no further |
/// | one longer or shorter than its `Content-Length`, or with two that differ | no | something was lost or added |
/// | an answer to HEAD with a `Content-Length` above 0 | no | it looks like a body that was lost |
/// | one whose copy would be larger than the fallback stores | no | its copy is let go of at once |
///
/// An answer to HEAD that says no length looks like an empty answer to GET: a key has to tell them apart,
/// or to have none for HEAD. Under gRPC the question is in the body, which no key sees: only what is asked
/// for in the metadata, or by the method alone, can be remembered. Under gRPC-Web a failure is known
/// only where the head says it; what the data says is not read.
///
/// Not copied are fields that belong to one connection, `Connection` and those that it names among
/// them, `Set-Cookie`, and values that are marked as [sensitive](http::HeaderValue::set_sensitive).
/// Neither is `Age`: the response is so much older already when it comes. `Date` is not looked at. All
/// others are served again as they were, and so are the trailers; the body comes in one piece, and the
/// version is HTTP/1.1, which servers replace by their own.
///
/// Directives such as `no-cache` and `must-revalidate` forbid a cache to serve what is stale even if the
/// server can not be reached (RFC 9111, section 4.2.4). Here they are not heeded, on purpose: many
/// frameworks send them with everything, and what is served is marked, and was asked for by whoever built
/// the layer. Who wants them heeded judges such answers as neutral, or has no key for them.
///
/// How long the bytes are kept, and how old they may be when they are served, is for the fallback.
///
/// # What is damaged on purpose
///
/// Under a chaos layer, bodies and their trailers, see [`Spoiled`](crate::Spoiled); or else the answer is a
/// status from 200 to 599 and nothing else, or what [`injected`](Self::injected) makes of it. A `grpc-status`
/// in the head is replaced there.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Http {
    attempt_header: Option<&'static HeaderName>,
    pub(crate) degraded_header: Option<&'static HeaderName>,
    unsent: Unsent,
    statuses: Statuses,
    idempotent: fn(&Method) -> bool,
    timed_to_head: bool,
    pub(crate) injected: fn(Response<()>) -> Response<Bytes>,
}

impl Http {
    /// HTTP with the meanings of the tables above.
    pub const fn new() -> Self {
        Self {
            attempt_header: None,
            degraded_header: Some(&DEGRADED),
            unsent: Unsent::new(),
            statuses: Statuses::new(),
            idempotent: Method::is_idempotent,
            timed_to_head: false,
            injected: |bare| bare.map(|()| Bytes::new()),
        }
    }

    /// Judges these statuses by this function, where it says something. Default: by the table above.
    ///
    /// If the judgement allows another attempt and has no delay of its own, that of the
    /// [hint](Self::hint) is added. Under gRPC, whose status is always 200, it is not asked.
    ///
    /// ```
    /// use buttress_core::{Judgement, Retry};
    /// use buttress_http::Http;
    ///
    /// let http = Http::new().statuses(|status| match status.as_u16() {
    ///     408 | 425 => Some(Judgement::NEUTRAL.retry(Retry::IfRepeatable)),
    ///     // This server means by it that it is overloaded.
    ///     500 => Some(Judgement::FAILURE),
    ///     _ => None,
    /// });
    /// ```
    pub const fn statuses(mut self, judge: fn(StatusCode) -> Option<Judgement>) -> Self {
        self.statuses.judge = Some(judge);
        self
    }

    /// Reads by this function how long the server asks to wait. Default:
    /// [`retry_after`](crate::retry_after).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use buttress_http::{Http, retry_after};
    ///
    /// let http = Http::new().hint(|headers| {
    ///     let millis = headers.get("retry-after-ms").and_then(|value| value.to_str().ok()?.parse().ok());
    ///     millis.map(Duration::from_millis).or_else(|| retry_after(headers, SystemTime::now()))
    /// });
    /// ```
    pub const fn hint(mut self, hint: fn(&HeaderMap) -> Option<Duration>) -> Self {
        self.statuses.hint = Some(hint);
        self
    }

    /// Repeats requests of the methods that this function says do no harm when they are executed
    /// twice; those with a key or a mark are repeated, whatever it says. Default: those of RFC 9110,
    /// section 9.2.2, as by [`Method::is_idempotent`].
    ///
    /// ```
    /// use buttress_http::Http;
    ///
    /// // What these servers do at a PUT or DELETE they do again.
    /// let http = Http::new().idempotent(http::Method::is_safe);
    /// ```
    pub const fn idempotent(mut self, idempotent: fn(&Method) -> bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Takes for the time of a call that until the head of its response. Default: until its end, less
    /// the time in which its reader had what he had asked for.
    ///
    /// For what streams for as long as it likes, as server-sent events do: a breaker that counts slow
    /// calls, and a limit that learns from how long they take, go by the time of the head then. They are
    /// told of a call at its end, as before, for only then it is known how it went; and what bounds the
    /// time of a call bounds all of it.
    pub const fn slow_by_head(mut self) -> Self {
        self.timed_to_head = true;
        self
    }

    /// Writes the number of each attempt, from 1, into this header, for instance
    /// [`ENVOY_ATTEMPT_COUNT`]; what stands there is replaced. Default: none.
    pub const fn attempt_header(mut self, header: &'static HeaderName) -> Self {
        self.attempt_header = Some(header);
        self
    }

    /// Marks degraded answers by this header, or by none: they have their mark in the extensions all the
    /// same, and those that were remembered `Age` and `Cache-Status`. Default:
    /// [`DEGRADED_HEADER`](crate::DEGRADED_HEADER).
    ///
    /// A fallback at the next hop knows by it that this is no answer to be remembered. It looks for the
    /// default, and for its own.
    pub const fn degraded_header(mut self, header: Option<&'static HeaderName>) -> Self {
        self.degraded_header = header;
        self
    }

    /// Makes by this function the answers that a chaos layer gives in place of the service's own. It is
    /// handed one of the status that was asked for, and gives any response. Default: the bare status.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use buttress_http::Http;
    /// use http::header::RETRY_AFTER;
    ///
    /// let http = Http::new().injected(|mut response| {
    ///     if response.status() == 503 {
    ///         response.headers_mut().insert(RETRY_AFTER, 2.into());
    ///     }
    ///     response.map(|()| Bytes::from("<h1>We will be back soon</h1>"))
    /// });
    /// ```
    pub const fn injected(mut self, make: fn(Response<()>) -> Response<Bytes>) -> Self {
        self.injected = make;
        self
    }

    /// Believes this function, too, where it says that an error proves that its request was never
    /// executed; then any request of which there is a copy is repeated.
    ///
    /// Default: with the feature `client`, the errors of hyper-util's client are known: that no
    /// connection could be made, and that the server refused the HTTP/2 stream (RFC 9113, section
    /// 8.7). Without it, none. For reqwest:
    ///
    /// ```
    /// use buttress_http::Http;
    ///
    /// let http = Http::new().unsent(|error| {
    ///     error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
    /// });
    /// ```
    ///
    /// Look at the error itself, not at what it carries inside: what it wraps may come from a
    /// service that had done something before. And what stands inside the retry must be the client:
    /// a handler that first did something, and then passed on the error of a client of its own,
    /// would do it again.
    pub const fn unsent(mut self, proves: fn(&(dyn Error + 'static)) -> bool) -> Self {
        self.unsent = Unsent::or(proves);
        self
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Classify<Response<B>> for Http {
    fn classify(&self, result: Result<&Response<B>, &BoxError>) -> Judgement {
        match result {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers());
                judge::grpc_head(status, headers, Codes::TABLE)
                    .unwrap_or_else(|| self.statuses.judge(status, headers))
            }
            Err(error) => self.unsent.judge(error.as_ref()),
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
        let verdict = Verdict::announced(response.status(), response.headers(), Codes::TABLE);
        response.map(|body| Followed::new(body, verdict, follower))
    }

    fn timed_to_head(&self, _response: &Response<B>) -> bool {
        self.timed_to_head
    }
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<B> Repeat<Request<B>> for Http
where
    B: Body + Default + 'static,
{
    fn repeat(&self, request: &Request<B>) -> Option<Repeated<Request<B>>> {
        repeat::request(request, || (self.idempotent)(request.method()))
    }

    fn obstacle(&self, copy: &mut Request<B>, answered: bool) -> Option<Obstacle> {
        repeat::obstacle(copy, answered)
    }

    fn mark(&self, request: &mut Request<B>, attempt: Attempt) {
        repeat::mark(request, attempt, self.attempt_header);
    }
}

impl<B: Body> Discard<Response<B>> for Http {
    type Discarding = Discarding<B>;

    fn discard(&self, response: Response<B>) -> Option<Discarding<B>> {
        discard::response(response)
    }
}
