//! What HTTP adds to the Buttress layers.
//!
//! The layers know nothing of HTTP; this crate teaches them. Give [`Http`] to a layer's builder
//! (`.protocol(Http::new())`), or [`Grpc`] where nothing else is spoken, and
//!
//! - a status says what the call means for the dependency, see [`Http`];
//! - a response is over when its body is: until then a permit is held, the clock runs, and the
//!   breaker's verdict is open, see [`Followed`];
//! - only requests that may be sent twice are, see [`Http`];
//! - a degraded answer is marked, in the response's extensions and by the header
//!   [`DEGRADED_HEADER`]; one that was remembered also by `Age` and `Cache-Status`;
//! - a good response is copied while it passes to its caller, and the copy is stored once all of it has
//!   come; [`Http`] says which are stored, and what of them;
//! - a chaos layer answers with statuses, damages bodies, see [`Spoiled`], and listens to headers.
//!
//! [`RespondLayer`] stands outermost on a server and turns errors into responses, so that axum
//! and hyper take the stack as it is; under gRPC, into a status, see [`respond`].
//!
//! [`TransferTimeoutLayer`] cuts a call whose request body is not taken or not sent, or in which
//! nothing moves at all, see [`transfer_timeout`].
//!
//! [`ReplayBodyLayer`] keeps what is sent of a streamed request body, so that it can be sent again,
//! see [`replay`]; [`IdempotencyKeyLayer`] gives a request that is not idempotent the key that makes
//! it so, see [`idempotency_key`]. Both stand outside the retry.
//!
//! A fallback looks at a [`RequestHead`], which is a request without its body, and remembers responses
//! by a [`ResponseKey`], which finds none where an answer may be meant for one user alone.
//!
//! # Deadlines from hop to hop
//!
//! A deadline inside a program travels by itself; from one program to the next it travels in a
//! header that says what is left. [`AcceptDeadlineLayer`] reads it on a server and gives it to
//! everything inside, see [`accept_deadline`]. [`SendDeadlineLayer`] writes what remains on a
//! client, anew for each attempt, see [`send_deadline`]. Which header, and what it may say, is a
//! [`DeadlineHeader`]. Between the two nothing needs to be passed on by hand, and no hop is told
//! of more time than the one before it was given.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use buttress_http::{Http, RespondLayer};
//! use buttress_timeout::TimeoutLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use bytes::Bytes;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let hangs = service_fn(async |_: Request<Empty<Bytes>>| {
//!     std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
//! });
//! let limit = TimeoutLayer::builder()
//!     .overall(Duration::from_millis(20))
//!     .protocol(Http::new())
//!     .build()?;
//! let service = ServiceBuilder::new().layer(RespondLayer::new()).layer(limit).service(hangs);
//!
//! let response = service.oneshot(Request::new(Empty::new())).await?;
//! assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
//! # Ok(())
//! # }
//! ```

pub mod accept_deadline;
mod body;
mod content_type;
mod deadline_header;
mod discard;
mod grpc;
pub mod idempotency_key;
mod judge;
mod protocol;
mod repeat;
pub mod replay;
mod request_head;
pub mod respond;
mod response_key;
pub mod send_deadline;
mod spoil;
mod substitute;
pub mod transfer_timeout;
mod unsent;

pub use accept_deadline::{AcceptDeadline, AcceptDeadlineLayer};
pub use body::Followed;
pub use deadline_header::DeadlineHeader;
pub use discard::Discarding;
pub use grpc::Grpc;
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyLayer};
pub use judge::retry_after;
pub use protocol::{ENVOY_ATTEMPT_COUNT, Http};
pub use repeat::Repeatable;
pub use replay::{ReplayBody, ReplayBodyLayer, Replaying};
pub use request_head::RequestHead;
pub use respond::{Respond, RespondLayer};
pub use response_key::ResponseKey;
pub use send_deadline::{SendDeadline, SendDeadlineLayer};
pub use spoil::Spoiled;
pub use substitute::{DEGRADED_HEADER, Substituted};
pub use transfer_timeout::{TransferTimeout, TransferTimeoutLayer, Watched};

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
