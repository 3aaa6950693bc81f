//! Tower layers that keep a service useful while parts of the system around it fail.
//!
//! Each layer is a crate of its own; this one re-exports them, a feature each, so that one line
//! in `Cargo.toml` brings what you stack. `full` is all of them but `redis` and `chaos`.
//!
//! | feature | layer | module |
//! |---|---|---|
//! | `timeout` | `TimeoutLayer`: limits on the whole call and on its phases, and a deadline that travels; `ConnectTimeoutLayer` | `timeout` |
//! | `retry` | `JitteredRetryLayer`: another attempt, where it is safe and of use | `retry` |
//! | `breaker` | `BreakerLayer`: no calls to what is down | `breaker` |
//! | `bulkhead` | `BulkheadLayer`: so many calls at once and no more | `bulkhead` |
//! | `fallback` | `FallbackLayer`: a reduced answer rather than none, marked as such | `fallback` |
//! | `memory` | `MemoryStore`: last known good answers in this process | `fallback` |
//! | `redis` | `RedisStore`: last known good answers that a fleet shares | `redis` |
//! | `http` | the protocols `Http` and `Grpc`, deadlines in headers, request bodies limited and repeatable, idempotency keys, and `RespondLayer` for servers | `http` |
//! | `client` | `Http` knows which errors of hyper-util's client prove that nothing was sent | |
//! | `keyed` | circuits and retry budgets by host, route or tenant | |
//! | `chaos` | `ChaosLayer`: faults on purpose, for tests | `chaos` |
//! | `proxy` | `FaultProxy`: a TCP proxy whose connections fail on demand | `chaos::proxy` |
//! | `toml` | scripts of faults from TOML | `chaos` |
//!
//! # The recommended stack
//!
//! Outermost first, as `ServiceBuilder` reads:
//!
//! ```text
//! respond → accept deadline → fallback → timeout (overall) → idempotency key → replay body → retry
//!         → breaker → bulkhead → timeout (attempt) → send deadline → client
//! ```
//!
//! - *respond* (on a server) turns whatever is left into the response that HTTP has for it.
//! - *accept deadline* (on a server) refuses what comes too late, and lets everything inside see
//!   how long there is.
//! - *fallback* sees every failure, so it stands outside all that can fail, also outside the
//!   overall limit: when time is up there is still an answer to give.
//! - The *overall* limit is the caller's patience; it bounds all attempts and the waits between.
//! - *idempotency key* and *replay body*, where requests need them to be repeated, give all attempts of
//!   a call the same key and the same body.
//! - *retry* stands outside the breaker: it sees the breaker's refusals, and does not repeat them.
//! - The *breaker* judges single attempts, and refuses before a place in the bulkhead is taken.
//! - The *bulkhead* holds a place for as long as an attempt runs, its body included.
//! - The limit of one *attempt* is what the breaker judges a hung dependency by.
//! - *send deadline* stands innermost, so that each attempt sends what is left of the time then.
//!
//! # If the compiler says "the method `oneshot` exists, but its trait bounds were not satisfied"
//!
//! Then the stack is no `Service` of this request, and the compiler does not say why, for it looks no
//! further than `Service<_>`. Tell it the type of the request, by
//! [`core::check_service::<Request<Body>>(&stack)`](core::check_service), and it names the layer, and
//! what to write. So does any function that asks for a `Service` of a certain request, as those of
//! axum, hyper and tonic.
//!
//! # If the compiler says "implementation of `From` is not general enough"
//!
//! It meets a `Service` whose error is `BoxError` already, inside an `async` block that must be
//! `Send`. The limitation is the compiler's, and tower's own layers meet it too. Give the
//! innermost service an error type of its own, as clients have, or box it by
//! `BoxCloneSyncService`.
//!
//! # Example
//!
#![cfg_attr(feature = "full", doc = "```")]
#![cfg_attr(not(feature = "full"), doc = "```ignore")]
//! use std::{convert::Infallible, time::Duration};
//! use buttress::prelude::*;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(2))?)
//!     .layer(JitteredRetryLayer::new(3)?)
//!     .layer(BreakerLayer::new())
//!     .layer(BulkheadLayer::new(100)?)
//!     .layer(TimeoutLayer::new(Duration::from_millis(500))?)
//!     .service(service_fn(async |name: &'static str| Ok::<_, Infallible>(format!("hello, {name}"))));
//!
//! assert_eq!(service.oneshot("world").await?, "hello, world");
//! # Ok(())
//! # }
//! ```

pub use buttress_core as core;

#[cfg(feature = "breaker")]
pub use buttress_breaker as breaker;
#[cfg(feature = "bulkhead")]
pub use buttress_bulkhead as bulkhead;
#[cfg(feature = "chaos")]
pub use buttress_chaos as chaos;
#[cfg(feature = "fallback")]
pub use buttress_fallback as fallback;
#[cfg(feature = "http")]
pub use buttress_http as http;
#[cfg(feature = "redis")]
pub use buttress_redis as redis;
#[cfg(feature = "retry")]
pub use buttress_retry as retry;
#[cfg(feature = "timeout")]
pub use buttress_timeout as timeout;

/// What a file that stacks layers needs: the layers, and the words for what they say.
pub mod prelude {
    pub use buttress_core::{
        BoxError, ConfigError, Deadline, Degraded, Judgement, Outcome, Plain, Rejection,
        RejectionKind,
    };

    #[cfg(feature = "breaker")]
    pub use buttress_breaker::{BreakerHandle, BreakerLayer, Window};
    #[cfg(feature = "bulkhead")]
    pub use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, Compartment};
    #[cfg(feature = "chaos")]
    pub use buttress_chaos::{ChaosHandle, ChaosLayer, Faults};
    #[cfg(all(feature = "fallback", feature = "memory"))]
    pub use buttress_fallback::MemoryStore;
    #[cfg(feature = "fallback")]
    pub use buttress_fallback::{Failure, FallbackLayer, LastKnownGood};
    #[cfg(feature = "http")]
    pub use buttress_http::{
        AcceptDeadlineLayer, Grpc, Http, IdempotencyKeyLayer, Repeatable, ReplayBodyLayer,
        RequestHead, RespondLayer, ResponseKey, SendDeadlineLayer, TransferTimeoutLayer,
    };
    #[cfg(feature = "retry")]
    pub use buttress_retry::{Backoff, Jitter, JitteredRetryLayer, RetryBudget};
    #[cfg(feature = "timeout")]
    pub use buttress_timeout::{ConnectTimeoutLayer, TimeoutLayer};
}

#[cfg(all(any(doc, doctest), feature = "full", feature = "proxy"))]
#[doc = include_str!("testing.md")]
#[doc = "```ignore"]
#[doc = include_str!("../tests/partial_failure.rs")]
#[doc = "```"]
pub mod testing {}

/// The crate's own page, whose example is compiled where it can be.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
