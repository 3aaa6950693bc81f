//! How a response is damaged on purpose.

use std::{num::NonZeroU64, time::Duration};

use crate::{BoxError, Plain};

/// Lets a layer of faults damage responses, and be told by a request which faults it is to meet.
///
/// What a protocol can not do is no fault that nobody sees: the layer lets the call fail instead.
/// `Plain` can do nothing of it, for a plain value has no status, no body and no headers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot damage a `{Res}` that answers a `{Req}`",
    note = "choose the protocol with the builder's `.protocol(…)`: `Plain` for ordinary values, \
            `Http` or `Grpc` of buttress-http for `http::Request` and for `http::Response` whose \
            body has `Bytes` as its data"
)]
pub trait Spoil<Req, Res> {
    /// What the caller gets in any case.
    type Response;

    /// The response as it is.
    fn spare(&self, response: Res) -> Self::Response;

    /// The response, damaged; or `None` where the protocol has no place for damage, and the response
    /// is lost.
    fn spoil(&self, response: Res, damage: Damage) -> Option<Self::Response>;

    /// A response that says failure by this status; `None` if the protocol has no such status.
    fn failure(&self, status: u16) -> Option<Self::Response>;

    /// Takes this header out of the request: the values, put together as those of a list, or `None`
    /// where it is not there. One that is no text is a text that nobody takes for another.
    fn take_header(&self, request: &mut Req, name: &str) -> Option<String>;
}

impl<Req, Res> Spoil<Req, Res> for Plain {
    type Response = Res;

    #[inline]
    fn spare(&self, response: Res) -> Res {
        response
    }

    fn spoil(&self, _response: Res, _damage: Damage) -> Option<Res> {
        None
    }

    fn failure(&self, _status: u16) -> Option<Res> {
        None
    }

    fn take_header(&self, _request: &mut Req, _name: &str) -> Option<String> {
        None
    }
}

/// What is to happen to the body of a response. Each is for itself; the default is nothing.
///
/// Bytes are those of data. A body that is shorter than the place of a damage does not meet it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Damage {
    /// It breaks off with an error.
    pub breaks: Option<Break>,
    /// It comes to a halt.
    pub stalls: Option<Stall>,
    /// It is slow all along.
    pub pace: Option<Pace>,
    /// Its trailers say this `grpc-status`, whatever they said or if there were none.
    pub trailers: Option<u16>,
}

/// Where a body breaks off, and why.
#[derive(Debug)]
pub struct Break {
    /// After so many bytes.
    pub after: u64,
    /// The error that comes then.
    pub error: BoxError,
}

/// Where a body comes to a halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// After so many bytes.
    pub after: u64,
    /// For so long; `Duration::MAX` means that it never goes on.
    pub lasts: Duration,
}

/// How slow a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pace {
    /// Each frame comes so much later than it would.
    EachFrame(Duration),
    /// No more bytes a second than so many.
    BytesPerSecond(NonZeroU64),
}

impl Damage {
    /// Whether nothing is to happen.
    pub fn is_none(&self) -> bool {
        self.breaks.is_none()
            && self.stalls.is_none()
            && self.pace.is_none()
            && self.trailers.is_none()
    }
}
