//! What layers say about what happened.

use std::{
    error::Error,
    fmt::{self, Debug},
    time::Duration,
};

use crate::{CircuitState, Judgement, Obstacle, Rejection, Trip};

/// Something that happened in a layer, said once, to its [`Observer`](crate::Observer).
///
/// A call that goes well says nothing: what there is to count about it is kept in the layer's
/// snapshot and read when asked.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The kind of layer: `"timeout"`, `"retry"`, `"breaker"`, …
    pub layer: &'static str,
    /// The name that the layer was given.
    pub name: &'a str,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// The layer refused a call, or cut it.
    Rejected(&'a Rejection),
    /// An attempt failed, and another follows.
    Retrying {
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// How long the next one is waited for.
        delay: Duration,
        /// The error that the attempt ended with; none if it ended with a response.
        cause: Option<&'a (dyn Error + 'static)>,
    },
    /// An attempt failed that might have been repeated, and none follows.
    GaveUp {
        /// The attempts that were made.
        attempts: u32,
        /// Why none follows.
        why: GaveUp,
    },
    /// A circuit changed its state.
    CircuitChanged {
        /// The state before.
        from: CircuitState,
        /// The state now.
        to: CircuitState,
        /// Why, if it opened.
        why: Option<Trip>,
    },
    /// A fallback is about to step in for this failure.
    FallingBack {
        /// What was judged of the call.
        judgement: Judgement,
        /// The error that the call ended with; none if it ended with a response.
        cause: Option<&'a (dyn Error + 'static)>,
    },
    /// A tier of a fallback served.
    Served {
        /// The tier.
        tier: &'a str,
        /// How old its answer is, if it was remembered.
        age: Option<Duration>,
    },
    /// A tier of a fallback has no answer to this: it remembers none, or none that is new enough.
    Missed {
        /// The tier.
        tier: &'a str,
    },
    /// A tier of a fallback failed too.
    TierFailed {
        /// The tier.
        tier: &'a str,
        /// Its error.
        cause: &'a (dyn Error + 'static),
        /// Whether that it failed was said already in the last minute.
        again: bool,
    },
    /// An answer that was to be remembered was not: it is not for storing under its key, it was too large or
    /// too old, it was one too many, or the store failed.
    NotStored {
        /// The tier that was to remember it.
        tier: &'a str,
        /// Why not.
        cause: &'a (dyn Error + 'static),
        /// Whether one that was not stored for a reason of the same kind was told of already in the last
        /// minute.
        again: bool,
    },
    /// Something that came with a request could not be understood, and was ignored.
    Ignored {
        /// Where it stood: for instance the name of a header.
        field: &'a str,
        /// What stood there, as it came.
        value: &'a dyn Debug,
    },
    /// A fault was injected on purpose.
    Injected {
        /// The fault.
        fault: &'a str,
    },
}

/// Why no further attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// As many attempts were made as are allowed.
    Attempts,
    /// The next attempt would begin after the deadline.
    Deadline,
    /// The request must not, or can not, be sent twice.
    NotRepeatable,
    /// The dependency asks to be left alone for longer than a call may wait.
    HintTooLong,
    /// The retry budget is used up: too many calls fail for repeating them to be of help.
    Budget,
    /// There was a copy of the request, but it can not be sent.
    Obstacle(Obstacle),
}

impl<'a> Event<'a> {
    /// An event of the layer of this kind and name.
    pub const fn new(layer: &'static str, name: &'a str, kind: EventKind<'a>) -> Self {
        Self { layer, name, kind }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attempts => "no attempts left",
            Self::Deadline => "no time left before the deadline",
            Self::NotRepeatable => "the request may not be sent twice",
            Self::HintTooLong => "the dependency asks for more time than may be waited",
            Self::Budget => "the retry budget is used up",
            Self::Obstacle(obstacle) => return fmt::Display::fmt(obstacle, f),
        })
    }
}
