//! The vocabulary that every Buttress layer speaks.
//!
//! There is no layer in this crate and no HTTP. A layer crate depends on this one and on tower;
//! a protocol crate (`buttress-http`) depends on this one and on its protocol. Neither knows the
//! other, and whoever adds a protocol writes one crate that implements the traits of
//! [`Protocol`].
//!
//! | word | what it answers |
//! |---|---|
//! | [`Rejection`] | why a layer refused or cut a call, and when to come back |
//! | [`Deadline`] | until when the answer is of use to whoever waits for it |
//! | [`Allowance`] | whether what is dropped now was cut, or its caller hung up |
//! | [`Judgement`], [`Classify`] | what a finished call says about the dependency and about trying again |
//! | [`Follow`], [`Follower`] | when a response is over: at its head, or at the end of its body |
//! | [`Repeat`], [`Attempt`] | may this request be sent twice, the copy to send, and which one it is |
//! | [`Discard`] | how a response is got rid of that another attempt is to replace |
//! | [`Substitute`], [`Remembers`] | how an answer of a fallback stands in for the original, marked as degraded |
//! | [`Spoil`], [`Damage`] | how a response is damaged on purpose, to test what stands around |
//! | [`Recording`], [`Key`] | the copy of a good response on its way into a store, and what it is found by |
//! | [`Plain`] | the protocol of ordinary values: over when returned, an `Err` is a failure |
//! | [`Encoded`] | the same for values that can be stored |
//! | [`CircuitState`], [`Trip`] | whether calls pass a breaker, and why not |
//! | [`Event`], [`Observer`] | what happened, typed and once, for logs, metrics and tests |
//! | [`Reporter`] | what one layer says, in its own name |
//! | [`Randomness`] | jitter and fault draws, seedable |
//! | [`ReadyCall`] | one call of an inner service: readiness claimed, then the request sent |
//! | [`Anchor`] | what a call holds of its layer, so that its future is written where it stays |
//! | [`Striped`] | what all calls of a layer share, held by each thread apart |
//! | [`Claim`] | what was asked of an inner service before there is a call, where a layer waits in `poll_ready` |
//! | `Keyed`, `Keep` | what belongs to one host, route or tenant, in a bounded map (feature `keyed`) |
//! | [`check_service`] | why a stack is no service, by the compiler |
//! | [`ConfigError`] | which setting is wrong, its value, and the allowed range |

mod allowance;
mod anchor;
mod check;
mod circuit;
mod claim;
mod config;
mod deadline;
mod degraded;
mod discard;
mod encoded;
mod event;
mod follow;
mod judgement;
mod key;
#[cfg(feature = "keyed")]
mod keyed;
mod observer;
mod protocol;
mod randomness;
mod ready;
mod recording;
mod rejection;
mod repeat;
mod reporter;
mod spoil;
mod striped;
mod substitute;

pub use allowance::Allowance;
pub use anchor::{Anchor, Anchored};
pub use check::check_service;
pub use circuit::{CircuitState, Trip};
pub use claim::Claim;
pub use config::ConfigError;
pub use deadline::{Deadline, Scoped};
pub use degraded::Degraded;
pub use discard::Discard;
pub use encoded::Encoded;
pub use event::{Event, EventKind, GaveUp};
pub use follow::{End, Follow, Follower};
pub use judgement::{Classify, Judgement, Outcome, Retry};
pub use key::Key;
#[cfg(feature = "keyed")]
pub use keyed::{Keep, Keyed};
pub use observer::{Observer, Tracing};
pub use protocol::{Classified, Plain, Protocol};
pub use randomness::Randomness;
pub use ready::ReadyCall;
pub use recording::{Recorded, Recording, Room};
pub use rejection::{Phase, Rejection, RejectionKind};
pub use repeat::{Attempt, Obstacle, Repeat, Repeatability, Repeated};
pub use reporter::Reporter;
pub use spoil::{Break, Damage, Pace, Spoil, Stall};
pub use striped::{Stripe, Striped};
pub use substitute::{Held, Remembers, Substitute};

/// The error type of every Buttress layer.
///
/// Inner errors enter by `Into<BoxError>`, so one that is boxed already is not boxed twice, and
/// pass through untouched. What a layer itself adds is always a [`Rejection`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
