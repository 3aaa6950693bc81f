//! The deadline that comes with a request.
//!
//! [`AcceptDeadlineLayer`] stands on a server, outside everything that should know how long the
//! caller still waits, and inside [`RespondLayer`](crate::RespondLayer). It reads the time left
//! from the request's headers and makes it the [`Deadline`] of the call: the ambient one, under
//! which everything inside is called, polled and dropped, the response body included, and one in
//! the request's extensions, which is not lost where a task is spawned or a request queued. A
//! retry does not sleep past it, a queue does not wait past it, and the clients of a handler hand
//! on what remains of it by [`SendDeadlineLayer`](crate::SendDeadlineLayer).
//!
//! **It does not cut the call.** That is the business of a `TimeoutLayer` of `buttress-timeout`
//! inside it, and even one with no limit of its own cuts at the ambient deadline. Only a request
//! that has no time left when it comes, or when an inner service that was not ready becomes so, is
//! refused here, with [`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded): the
//! inner service is not called, and in the first case not even asked whether it is ready.
//!
//! It stands outside any tower `Buffer`: there the ambient deadline ends, and only what is in the
//! request's extensions goes on. [`SendDeadlineLayer`](crate::SendDeadlineLayer) reads it there, as
//! does an `AcceptDeadlineLayer` inside the `Buffer`; a `TimeoutLayer` knows only of the ambient one.
//!
//! # Which deadline
//!
//! The soonest of
//!
//! - what each valid value of each listed header says, counted from the call on; a header may
//!   come several times;
//! - the `Deadline` in the request's extensions;
//! - the ambient deadline;
//! - [`max`](AcceptDeadlineLayerBuilder::max).
//!
//! A value that does not follow the grammar of its [`DeadlineHeader`](crate::DeadlineHeader) is
//! ignored, counted, and told to the observer. So a request can shorten its own time and never
//! lengthen it. Where there is none of them the request passes as it came.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`headers`](AcceptDeadlineLayerBuilder::headers) | `grpc-timeout`, `x-request-timeout-ms`, `x-envoy-expected-rq-timeout-ms` | what gRPC, [`SendDeadlineLayer`](crate::SendDeadlineLayer) and Envoy send |
//! | [`max`](AcceptDeadlineLayerBuilder::max) | none | the longest that a server serves anyone is its own to say |
//! | [`name`](AcceptDeadlineLayerBuilder::name) | `"accept-deadline"` | names the layer in errors and events |
//! | [`observer`](AcceptDeadlineLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use buttress_core::Deadline;
//! use buttress_http::{AcceptDeadlineLayer, Http, RespondLayer};
//! use buttress_timeout::TimeoutLayer;
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let hangs = service_fn(async |_: Request<Empty<Bytes>>| {
//!     assert!(Deadline::current().is_some(), "the handler sees the deadline");
//!     std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
//! });
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .layer(AcceptDeadlineLayer::builder().max(Duration::from_secs(30)).build()?)
//!     .layer(TimeoutLayer::builder().protocol(Http::new()).build()?)
//!     .service(hangs);
//!
//! let request = Request::builder().header("x-request-timeout-ms", 20).body(Empty::new())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Ignored`](buttress_core::EventKind::Ignored), with the name of the header and its
//! value, for each invalid value; [`EventKind::Rejected`](buttress_core::EventKind::Rejected) for
//! each request that came too late. The [handle](AcceptDeadlineLayer::handle) counts both.
//!
//! [`Deadline`]: buttress_core::Deadline

mod follower;
mod future;
mod handle;
mod layer;
mod service;

pub use follower::DeadlineFollower;
pub use future::ResponseFuture;
pub use handle::{AcceptDeadlineHandle, AcceptDeadlineSnapshot};
pub use layer::{AcceptDeadlineLayer, AcceptDeadlineLayerBuilder};
pub use service::AcceptDeadline;
