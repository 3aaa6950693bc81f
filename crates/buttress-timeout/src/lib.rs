//! Limits on a call and on each of its phases, and a deadline that travels with it.
//!
//! [`TimeoutLayer`] bounds a call from the moment it is made until its response is over: the
//! inner service becoming ready, the response head and, under an HTTP protocol, the body and its
//! trailers. The limit on the whole becomes the ambient [`Deadline`] of everything inside, so
//! that a retry does not sleep past it, a queue does not wait past it, a breaker knows that a call
//! cut by it failed, and a client call made by a handler inherits it.
//!
//! [`ConnectTimeoutLayer`] goes around a connector; see [`connect`].
//!
//! # Which limit for what
//!
//! | phase | where it is set | usual | what it catches |
//! |---|---|---|---|
//! | connect | [`ConnectTimeoutLayer`] around the connector | 1–5 s | a host that is gone, a full backlog, a firewall that drops |
//! | response | [`response`](TimeoutLayerBuilder::response) | 5–30 s | a server that takes the request and never answers |
//! | read | [`read`](TimeoutLayerBuilder::read) | 5–30 s | a body that stalls half way |
//! | write, idle | `TransferTimeoutLayer` of `buttress-http` | 5–30 s, 60–300 s | a peer that does not take the request body; a call in which nothing moves |
//! | overall | [`overall`](TimeoutLayerBuilder::overall), [`per_request`](TimeoutLayerBuilder::per_request) | 30–60 s | everything else: retries, queues, a body that trickles on for ever |
//! | an unused connection | the client's pool: `pool_idle_timeout` of hyper-util or reqwest | 60–300 s, less than the server's own | a connection that the server has closed meanwhile |
//!
//! Set `overall` always: it alone bounds the sum. The others find out sooner what is wrong, and
//! say which phase it was. Users who wait want far less than these figures, which are those of
//! calls between machines: the patience of a person is 1 or 2 s.
//!
//! A body is cut when it is next polled. A server whose client has stopped reading does not poll
//! it: there the limit needs the connection's own, such as a write timeout of the transport.
//!
//! # Differences from `tower::timeout`
//!
//! tower's timeout ends at the response head, begins only after the inner service was ready, and
//! tells nobody inside how long there is. This one does the three, and creates its timer only
//! when the first poll of the call found nothing.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`overall`](TimeoutLayerBuilder::overall) | none | the right limit is the user's patience, which only the user of the layer knows |
//! | [`per_request`](TimeoutLayerBuilder::per_request) | none | for routes that differ; falls back to `overall`, and `Some(Duration::MAX)` lifts it |
//! | [`response`](TimeoutLayerBuilder::response) | none | bounded by `overall`; place it around the client |
//! | [`read`](TimeoutLayerBuilder::read) | none | bounded by `overall`; needs a protocol with bodies |
//! | [`protocol`](TimeoutLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value is over when it is returned; `Http` follows the body |
//! | [`name`](TimeoutLayerBuilder::name) | `"timeout"` | names the layer in errors and events |
//! | [`observer`](TimeoutLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! A layer with no limit of its own still honours the ambient deadline.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use buttress_core::{Deadline, Rejection};
//! use buttress_timeout::TimeoutLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_millis(50))?)
//!     .service(service_fn(async |_: ()| {
//!         assert!(Deadline::current().is_some(), "the handler sees the deadline");
//!         std::future::pending::<Result<(), buttress_core::BoxError>>().await
//!     }));
//!
//! let error = service.ready().await?.call(()).await.unwrap_err();
//! assert!(Rejection::find(error.as_ref()).is_some());
//! # Ok(())
//! # }
//! ```
//!
//! By method, under HTTP:
//!
//! ```
//! use std::time::Duration;
//! use buttress_http::Http;
//! use buttress_timeout::TimeoutLayer;
//! use http::{Method, Request};
//!
//! # fn main() -> Result<(), buttress_core::ConfigError> {
//! let layer = TimeoutLayer::builder()
//!     .overall(Duration::from_secs(60))
//!     .per_request(|request: &Request<String>| match *request.method() {
//!         Method::GET => Some(Duration::from_secs(10)),
//!         Method::POST => Some(Duration::from_secs(30)),
//!         _ => None,
//!     })
//!     .response(Duration::from_secs(5))
//!     .read(Duration::from_secs(5))
//!     .protocol(Http::new())
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each call that is
//! refused because its deadline has passed
//! ([`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded)) and for each that is
//! cut, be it in its body ([`TimedOut`](buttress_core::RejectionKind::TimedOut) with the phase by
//! this layer's limits, `DeadlineExceeded` by a deadline that came with the call). The
//! [handle](TimeoutLayer::handle) counts them.
//!
//! [`Deadline`]: buttress_core::Deadline

mod allowance;
mod clock;
pub mod connect;
mod future;
mod handle;
mod layer;
mod limits;
mod service;

pub use allowance::{Allowance, Fixed};
pub use clock::TimeoutFollower;
pub use connect::{ConnectTimeout, ConnectTimeoutLayer};
pub use future::ResponseFuture;
pub use handle::{TimeoutHandle, TimeoutSnapshot};
pub use layer::{TimeoutLayer, TimeoutLayerBuilder};
pub use service::Timeout;

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
