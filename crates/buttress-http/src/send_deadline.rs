//! What remains of the deadline, sent along with a request.
//!
//! [`SendDeadlineLayer`] stands innermost on a client, inside the retry, so that each attempt says
//! anew how long its answer is of use. The deadline is the sooner of the ambient one, which a
//! `TimeoutLayer` outside or an [`AcceptDeadlineLayer`](crate::AcceptDeadlineLayer) on the server
//! has set, and of the [`Deadline`] in the request's extensions. A request that has none passes as
//! it came.
//!
//! It does not cut the call: a `TimeoutLayer` outside does, and says when. A gRPC client may, for
//! some go by the `grpc-timeout` that they are to send: tonic's `Channel` ends the call then with an
//! error of its own. What such a client fails with once that time is up is
//! [`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded), `called` being `true`, with
//! the client's error as its cause; unless a `TimeoutLayer` outside cuts at that same deadline, which
//! then says itself whose limit it was. A *response* that says so, be it `DEADLINE_EXCEEDED` or the
//! `CANCELLED` of a tonic server, passes as it came.
//!
//! # Where it stands
//!
//! Outside any tower `Buffer`, of which a tonic `Channel` has one, and in the task in which the call
//! was made: on the far side of either there is no ambient deadline any more, and of
//! `TimeoutLayer`, `Buffer`, `SendDeadlineLayer`, in this order, nothing is sent. What
//! crosses is what the request carries in its extensions: this layer or an
//! [`AcceptDeadlineLayer`](crate::AcceptDeadlineLayer) outside of the `Buffer` puts it there.
//!
//! # What is written
//!
//! - For a gRPC request, one with a content type of `application/grpc` or `application/grpc+…`,
//!   `grpc-timeout`. For any other the configured [`header`](SendDeadlineLayerBuilder::header).
//! - Besides, each other header that is known to tell a deadline, and is there already: the three
//!   of [`DeadlineHeader`](crate::DeadlineHeader) and the configured one. A proxy that passes on
//!   what came in must not tell the next hop of an older, longer time. A header of any other name
//!   is passed on as it came: where a proxy takes in one of its own, configure it here as well.
//! - The deadline is put into the request's extensions, so that it is not lost in a tower `Buffer`
//!   inside, and is the ambient one of the inner call.
//!
//! # What is promised
//!
//! - **Never more than remains when the request is sent.** The time is taken at the moment at which
//!   the inner service is ready and is called, and rounded down; what was spent waiting for it is
//!   gone.
//! - **Never more than the request said already.** Of what remains and all valid values of these
//!   headers that the request came with, the least is what each of them says. Invalid ones are
//!   replaced.
//! - **Never zero.** A request with nothing left, or with less than the finest unit of a header
//!   that is to be written, is not sent: it is refused with
//!   [`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded), `called` being `false`.
//!   For one whose deadline has passed the inner service is not even asked whether it is ready.
//!
//! The time on the wire is not known, and is not subtracted.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`header`](SendDeadlineLayerBuilder::header) | `x-request-timeout-ms` | what [`AcceptDeadlineLayer`](crate::AcceptDeadlineLayer) reads; gRPC has its own |
//! | [`name`](SendDeadlineLayerBuilder::name) | `"send-deadline"` | names the layer in errors and events |
//! | [`observer`](SendDeadlineLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use buttress_http::SendDeadlineLayer;
//! use buttress_timeout::TimeoutLayer;
//! use http::{HeaderMap, Request};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let sees = service_fn(async |request: Request<()>| {
//!     Ok::<HeaderMap, Infallible>(request.headers().clone())
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(2))?)
//!     .layer(SendDeadlineLayer::new())
//!     .service(sees);
//!
//! let sent = client.oneshot(Request::new(())).await?;
//! let left: u64 = sent["x-request-timeout-ms"].to_str()?.parse()?;
//! assert!((1..=2000).contains(&left));
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected) for each request that is not sent,
//! and for each call that a gRPC client ended for its time was up, and no limit outside. The
//! [handle](SendDeadlineLayer::handle) counts both.
//!
//! [`Deadline`]: buttress_core::Deadline

mod future;
mod handle;
mod headers;
mod layer;
mod sending;
mod service;

pub use future::ResponseFuture;
pub use handle::{SendDeadlineHandle, SendDeadlineSnapshot};
pub use layer::{SendDeadlineLayer, SendDeadlineLayerBuilder};
pub use service::SendDeadline;
