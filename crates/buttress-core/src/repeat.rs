//! Which requests may be sent twice.

use std::fmt;

/// Answers whether a request may be sent twice, and gives the copy to send.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot repeat a request of type `{Req}`",
    note = "a retry needs the request to be `Clone`, or a protocol that can repeat it: for an \
            `http::Request` say `.protocol(Http::new())` to the builder of the retry",
    note = "`Http` needs an empty body to begin a copy with: `B: Body + Default + 'static`; where the body \
            has none, as hyper's `Incoming`, put `ReplayBodyLayer` outside the retry, or the body into \
            a `BoxBody`"
)]
pub trait Repeat<Req> {
    /// A copy of `request` to send later, or `None` if it must or can not be sent twice.
    ///
    /// Asked before each attempt that another may follow, so a copy should be cheap.
    fn repeat(&self, request: &Req) -> Option<Repeated<Req>>;

    /// Why a copy that was taken can not be sent, now that the attempt has ended which it is a
    /// copy of, and was `answered` or failed with an error; `None` if it can, and from then on
    /// nobody else can send what it is a copy of.
    ///
    /// Only for copies of what is used up while it is sent, such as a streamed body.
    fn obstacle(&self, _copy: &mut Req, _answered: bool) -> Option<Obstacle> {
        None
    }

    /// Writes into a request which attempt it is, where it has a place for that.
    fn mark(&self, _request: &mut Req, _attempt: Attempt) {}
}

/// A copy of a request, and when it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated<Req> {
    /// The copy.
    pub request: Req,
    /// When it may be sent.
    pub when: Repeatability,
}

/// When a copy of a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeatability {
    /// Whenever another attempt may help: a second execution does no harm.
    Always,
    /// Only after a failure that proves that the first was not executed.
    OnlyUnsent,
}

/// Why a copy of a request can not be sent after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// The body was larger than what is kept of it.
    TooLarge,
    /// The body was still being sent: the answer came early, or the attempt that failed has not let
    /// go of it.
    StillSending,
    /// The body itself broke off.
    BrokenOff,
}

/// Which attempt of a call a request is.
///
/// Under HTTP it is in the request's extensions, for whatever stands inside the retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The most that the call may make.
    pub of: u32,
}

impl Attempt {
    /// Attempt number `number`, from 1, of at most `of`.
    pub const fn new(number: u32, of: u32) -> Self {
        Self { number, of }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large to repeat",
            Self::StillSending => "the body was still being sent",
            Self::BrokenOff => "the body broke off",
        })
    }
}
