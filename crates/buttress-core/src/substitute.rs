//! How an answer stands in for another, and how one is remembered.

use std::fmt;

use bytes::Bytes;

use crate::{BoxError, Degraded, Recording};

/// Lets an answer of a fallback stand where the original would have stood.
///
/// An alternative and the original may be of different types, as long as the protocol can make
/// one of them: `Plain` wants the same type, `Http` takes two bodies of different types.
///
/// A protocol that [`Remembers`] can also copy a good response while it passes, and make one anew
/// of the copy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot let a `{Alt}` stand in for a `{Res}`",
    note = "under `Plain` a fallback answers with the service's own response type; under `Http` \
            of buttress-http with an `http::Response` whose body, too, has `Bytes` as its data"
)]
pub trait Substitute<Res, Alt> {
    /// What the caller gets in any case.
    type Response;

    /// The original, passed through unchanged.
    fn original(&self, response: Res) -> Self::Response;

    /// Whether what another service answered is an answer.
    ///
    /// # Errors
    ///
    /// If that service failed as well, and said so by its response. Default: never.
    fn check(&self, _alternative: &Alt) -> Result<(), BoxError> {
        Ok(())
    }

    /// The alternative. What is `held` is let go of when its answer is over.
    fn alternative(&self, alternative: Alt, held: Held) -> Self::Response;

    /// Marks what stands in for the original as degraded, where the protocol has a place for that.
    /// `failed` is the original, if the call ended with a response. Default: no place.
    fn mark(&self, _response: &mut Self::Response, _degraded: Degraded, _failed: Option<&Res>) {}

    /// The original, passed through unchanged, which `recording` gets a copy of once it has come to
    /// its end, if it is one to be stored. Default: no copy is made.
    fn record(&self, response: Res, _recording: Recording) -> Self::Response {
        self.original(response)
    }

    /// The response that this is a copy of.
    ///
    /// # Errors
    ///
    /// If it is no such copy, or of another version. Default: always.
    fn recall(&self, _copy: Bytes) -> Result<Self::Response, BoxError> {
        Err("this protocol remembers nothing".into())
    }
}

/// Protocols that can copy a response, and make one anew of the copy:
/// [`record`](Substitute::record) and [`recall`](Substitute::recall) are theirs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can neither copy a response nor make one of the copy",
    note = "say `.protocol(…)` before `.last_known_good(…)`: `Http` of buttress-http for \
            `http::Response`, `Encoded` for other values"
)]
pub trait Remembers {}

/// What the tier of a fallback holds for as long as its answer is not over: its place among those
/// that may be served at once.
#[derive(Default)]
pub struct Held(Option<Box<dyn Send + Sync>>);

impl Held {
    /// Nothing.
    pub const NOTHING: Self = Self(None);

    /// Holds this until it is dropped.
    pub fn new(what: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(what)))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.is_some()).finish()
    }
}
