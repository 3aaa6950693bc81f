//! A limit on the whole call, and a deadline that travels with it.
//!
//! [`TimeoutLayer`] bounds a call from the moment it is made until its response is over: the
//! inner service becoming ready, the response head and, under an HTTP protocol, the body and its
//! trailers. The same limit becomes the ambient [`Deadline`] of everything inside, so that a
//! retry does not sleep past it, a queue does not wait past it, a breaker knows that a call cut
//! by it failed, and a client call made by a handler inherits it.
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
//! | [`per_request`](TimeoutLayerBuilder::per_request) | none | for routes that differ; falls back to `overall` |
//! | [`protocol`](TimeoutLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value is over when it is returned; `Http` follows the body |
//! | [`name`](TimeoutLayerBuilder::name) | `"timeout"` | names the layer in errors and events |
//! | [`observer`](TimeoutLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! A layer with neither limit still honours the ambient deadline.
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
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each call that is
//! refused because its deadline has passed
//! ([`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded)) and for each that is
//! cut, be it in its body ([`TimedOut`](buttress_core::RejectionKind::TimedOut) by this layer's
//! limit, `DeadlineExceeded` by a deadline that came with the call).
//!
//! [`Deadline`]: buttress_core::Deadline

mod allowance;
mod clock;
mod future;
mod handle;
mod layer;
mod limits;
mod service;

pub use allowance::{Allowance, Fixed};
pub use clock::TimeoutFollower;
pub use future::ResponseFuture;
pub use handle::{TimeoutHandle, TimeoutSnapshot};
pub use layer::{TimeoutLayer, TimeoutLayerBuilder};
pub use service::Timeout;
