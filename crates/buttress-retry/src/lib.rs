//! Another attempt for calls that failed, after a jittered exponential backoff.
//!
//! [`JitteredRetryLayer`] repeats a call when its result says that this may help, when the
//! request may be sent twice, when there is time left, and when it is affordable: a
//! [`RetryBudget`] is paid in by calls that go well, so that retries do not keep a dependency down.
//! What a result says and which requests may be repeated is the
//! [protocol's](buttress_core::Protocol) to know.
//!
//! Put it outside the breaker and the bulkhead and inside the overall timeout: it then sees what
//! they refuse and does not repeat it, and does not wait past the deadline. Three attempts at each
//! of five levels of a system are 243 calls at the lowest; the budget makes them a few more than
//! one, but one level that repeats is still better than five.
//!
//! # Differences from `tower::retry`
//!
//! tower's retry leaves the policy to its user: which results, which requests, how long. Here
//! they are settings with safe defaults. Its budgets are an option that a policy must ask; here one
//! is on unless told otherwise. It also clones the inner service on every call; this one only for
//! an attempt after the first. Either readies the instance that it calls.
//!
//! In front of an HTTP client give it the protocol of buttress-http. Under the default,
//! [`Plain`](buttress_core::Plain), every request that is `Clone` may be sent twice, a POST
//! included, and a 503 is an answer like any other.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`max_attempts`](JitteredRetryLayerBuilder::max_attempts) | 3 in all | a failure that two repetitions do not mend is seldom brief |
//! | [`backoff`](JitteredRetryLayerBuilder::backoff) | exponential: 100 ms, times 2, up to 10 s | longer than a hiccup, too short to be noticed; then out of the way |
//! | [`jitter`](JitteredRetryLayerBuilder::jitter) | [`Jitter::Full`] | the fewest calls under contention |
//! | [`budget`](JitteredRetryLayerBuilder::budget) | one of the layer's own: a fifth of the successes, 1 a second, a burst of 10 | load on a dependency that works, and next to none on one that does not |
//! | [`hint_limit`](JitteredRetryLayerBuilder::hint_limit) | 30 s | the usual patience of a caller |
//! | [`repeat_refusals`](JitteredRetryLayerBuilder::repeat_refusals) | no | a breaker or bulkhead that refuses has said that the dependency needs less |
//! | [`per_request`](JitteredRetryLayerBuilder::per_request) | no difference | attempts and budget by a function of the request |
//! | [`rng`](JitteredRetryLayerBuilder::rng) | the thread's own generator | a seed repeats a run |
//! | [`protocol`](JitteredRetryLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | an `Err` is a failure, a request that is `Clone` may be sent twice; `Http` knows statuses and methods |
//! | [`classify`](JitteredRetryLayerBuilder::classify) | the protocol's | for results that need another judgement |
//! | [`name`](JitteredRetryLayerBuilder::name) | `"retry"` | names the layer in events |
//! | [`observer`](JitteredRetryLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! # Rules
//!
//! - **Which results.** Those whose [`Judgement`](buttress_core::Judgement) asks for it:
//!   [`Retry::Safe`](buttress_core::Retry::Safe) says that the request had no effect, and any
//!   request of which there is a copy is repeated;
//!   [`Retry::IfRepeatable`](buttress_core::Retry::IfRepeatable) says that it may have had one,
//!   and only a request that does no harm when executed twice is. Refusals by Buttress layers
//!   are not repeated, unless [asked](JitteredRetryLayerBuilder::repeat_refusals).
//! - **Copies** are taken before an attempt, and only where another may follow. One of what is used
//!   up while it is sent, a streamed body, may turn out to be of no use when the attempt has ended.
//! - **Budget.** Each attempt after the first takes a token, before its wait; without one the call
//!   ends with the result it has. It goes back if the attempt is never sent, because the caller left
//!   for one. A first attempt that succeeds, by the head of its response, earns a part of one.
//! - **Deadline.** An attempt that could not begin before the ambient
//!   [`Deadline`](buttress_core::Deadline), as it was when the call was made, is not waited for:
//!   the caller has the failure at once. One that is not sent by the deadline, because its wait took
//!   longer than it was to take, or its service was not ready, is not sent at all: the caller gets the
//!   error of the attempt before. (Sent is what was handed to the service inside; one that is a layer
//!   of this suite is always ready, and what waits there is ended by a limit outside.) Where that ended with a response, which is gone, a `TimeoutLayer`
//!   outside whose deadline it is says so, or else the retry:
//!   [`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded).
//! - **Hints.** Where the dependency asks for a delay, no less is waited, and up to half of it more,
//!   for all whom it told the same would come back together; but no more than the limit on hints,
//!   and so that half of the time is left that there is until the deadline. Where it asks for more
//!   than the limit, or for more than there is, no further attempt is made.
//! - **Responses** that failed are dropped before the wait, so that their connection and their place
//!   are free. Under HTTP/1 a short rest is read, for some milliseconds, so that the connection can
//!   be used again.
//! - **What the caller gets** when attempts end is the last result, unchanged. If the inner
//!   service can not become ready, the call ends: by tower's contract it is of no more use. If
//!   the attempt before ended with an error, the caller gets that error; if it ended with a
//!   response, which is gone, or if there was none, the error of readiness.
//!
//! # Example
//!
//! ```
//! use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
//! use buttress_retry::{Backoff, Jitter, JitteredRetryLayer};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let attempts = AtomicU32::new(0);
//! let mut service = ServiceBuilder::new()
//!     .layer(
//!         JitteredRetryLayer::builder()
//!             .max_attempts(3)
//!             .backoff(Backoff::exponential(Duration::from_millis(2), Duration::from_secs(1)))
//!             .jitter(Jitter::Full)
//!             .build()?,
//!     )
//!     .service(service_fn(async |name: &'static str| {
//!         match attempts.fetch_add(1, Ordering::Relaxed) {
//!             0 | 1 => Err("the connection was reset"),
//!             _ => Ok(format!("hello, {name}")),
//!         }
//!     }));
//!
//! assert_eq!(service.ready().await?.call("world").await?, "hello, world");
//! assert_eq!(attempts.into_inner(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Retrying`](buttress_core::EventKind::Retrying) for each attempt that another
//! follows, with the delay; [`EventKind::GaveUp`](buttress_core::EventKind::GaveUp) once for a
//! call whose last result asked for another attempt that is not made, with the reason. A result
//! that asks for none says nothing. What the budget granted and refused is in its
//! [`snapshot`](RetryBudget::snapshot). [`EventKind::Rejected`](buttress_core::EventKind::Rejected)
//! where a wait outlived the deadline and there is no error to give back.

mod attempts;
mod backoff;
mod budget;
#[cfg(feature = "keyed")]
mod budgets;
mod decision;
mod future;
mod jitter;
mod layer;
mod service;
mod terms;
mod unsent;

pub use backoff::Backoff;
pub use budget::{RetryBudget, RetryBudgetBuilder, RetryBudgetSnapshot, Withdrawal};
#[cfg(feature = "keyed")]
pub use budgets::RetryBudgets;
pub use future::ResponseFuture;
pub use jitter::Jitter;
pub use layer::{JitteredRetryLayer, JitteredRetryLayerBuilder};
pub use service::JitteredRetry;
pub use terms::{PerRequest, Terms, Uniform};

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
