//! The bundle of what a layer must know about requests and responses.

use bytes::Bytes;

use crate::{
    Attempt, BoxError, Classify, Damage, Degraded, Discard, End, Follow, Follower, Held, Judgement,
    Obstacle, Outcome, Recording, Remembers, Repeat, Repeatability, Repeated, Spoil, Substitute,
};

/// Everything that layers ask of a protocol: judging, following, repeating and discarding.
///
/// Implemented for whatever has the four parts; a layer asks only for the parts it uses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no protocol for requests of type `{Req}` and responses of type `{Res}`",
    note = "`Plain` is one for requests that are `Clone`, `Http` of buttress-http for \
            `http::Request` and `http::Response`; one of your own implements `Classify<{Res}>`, \
            `Follow<{Res}>`, `Repeat<{Req}>` and `Discard<{Res}>`"
)]
pub trait Protocol<Req, Res>: Classify<Res> + Follow<Res> + Repeat<Req> + Discard<Res> {}

#[diagnostic::do_not_recommend]
impl<P, Req, Res> Protocol<Req, Res> for P where
    P: Classify<Res> + Follow<Res> + Repeat<Req> + Discard<Res>
{
}

/// The protocol of ordinary values, and the default of every layer.
///
/// A response is over when it is returned, an `Err` is a failure, and a request may be sent
/// twice if it is `Clone`: whoever puts a retry around a plain service says so by doing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plain;

impl<Res> Classify<Res> for Plain {
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement {
        match result {
            Ok(_) => Judgement::SUCCESS,
            Err(error) => Judgement::of_error(error.as_ref()),
        }
    }
}

impl<Res> Follow<Res> for Plain {
    type Response<F: Follower> = Res;

    fn follow<F: Follower>(&self, response: Res, follower: F) -> Res {
        follower.ended(End::Complete(Judgement::SUCCESS));
        response
    }

    #[inline]
    fn over(&self, _response: &Res) -> Option<Outcome> {
        Some(Outcome::Success)
    }
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<Req: Clone> Repeat<Req> for Plain {
    fn repeat(&self, request: &Req) -> Option<Repeated<Req>> {
        Some(Repeated { request: request.clone(), when: Repeatability::Always })
    }
}

impl<Res> Substitute<Res, Res> for Plain {
    type Response = Res;

    fn original(&self, response: Res) -> Res {
        response
    }

    fn alternative(&self, alternative: Res, _held: Held) -> Res {
        alternative
    }
}

/// A protocol with its judging replaced; made by the builders' `classify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classified<P, C> {
    protocol: P,
    classifier: C,
}

impl<P, C> Classified<P, C> {
    /// `protocol`, but judged by `classifier`.
    pub const fn new(protocol: P, classifier: C) -> Self {
        Self { protocol, classifier }
    }
}

impl<Res, P, C: Classify<Res>> Classify<Res> for Classified<P, C> {
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement {
        self.classifier.classify(result)
    }
}

impl<Res, P: Follow<Res>, C> Follow<Res> for Classified<P, C> {
    type Response<F: Follower> = P::Response<F>;

    fn follow<F: Follower>(&self, response: Res, follower: F) -> Self::Response<F> {
        self.protocol.follow(response, follower)
    }

    #[inline]
    fn over(&self, response: &Res) -> Option<Outcome> {
        self.protocol.over(response)
    }

    fn timed_to_head(&self, response: &Res) -> bool {
        self.protocol.timed_to_head(response)
    }
}

impl<Req, P: Repeat<Req>, C> Repeat<Req> for Classified<P, C> {
    fn repeat(&self, request: &Req) -> Option<Repeated<Req>> {
        self.protocol.repeat(request)
    }

    fn obstacle(&self, copy: &mut Req, answered: bool) -> Option<Obstacle> {
        self.protocol.obstacle(copy, answered)
    }

    fn mark(&self, request: &mut Req, attempt: Attempt) {
        self.protocol.mark(request, attempt);
    }
}

impl<Res, P: Discard<Res>, C> Discard<Res> for Classified<P, C> {
    type Discarding = P::Discarding;

    fn discard(&self, response: Res) -> Option<Self::Discarding> {
        self.protocol.discard(response)
    }
}

impl<Res, Alt, P: Substitute<Res, Alt>, C> Substitute<Res, Alt> for Classified<P, C> {
    type Response = P::Response;

    fn original(&self, response: Res) -> Self::Response {
        self.protocol.original(response)
    }

    fn check(&self, alternative: &Alt) -> Result<(), BoxError> {
        self.protocol.check(alternative)
    }

    fn alternative(&self, alternative: Alt, held: Held) -> Self::Response {
        self.protocol.alternative(alternative, held)
    }

    fn mark(&self, response: &mut Self::Response, degraded: Degraded, failed: Option<&Res>) {
        self.protocol.mark(response, degraded, failed);
    }

    fn record(&self, response: Res, recording: Recording) -> Self::Response {
        self.protocol.record(response, recording)
    }

    fn recall(&self, copy: Bytes) -> Result<Self::Response, BoxError> {
        self.protocol.recall(copy)
    }
}

impl<P: Remembers, C> Remembers for Classified<P, C> {}

impl<Req, Res, P: Spoil<Req, Res>, C> Spoil<Req, Res> for Classified<P, C> {
    type Response = P::Response;

    fn spare(&self, response: Res) -> Self::Response {
        self.protocol.spare(response)
    }

    fn spoil(&self, response: Res, damage: Damage) -> Option<Self::Response> {
        self.protocol.spoil(response, damage)
    }

    fn failure(&self, status: u16) -> Option<Self::Response> {
        self.protocol.failure(status)
    }

    fn take_header(&self, request: &mut Req, name: &str) -> Option<String> {
        self.protocol.take_header(request, name)
    }
}
