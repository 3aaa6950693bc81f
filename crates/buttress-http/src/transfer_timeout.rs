//! Limits on how long the bodies of a call may stand still.
//!
//! [`TransferTimeoutLayer`] watches both bodies of a call, which needs the body of the request to
//! be wrapped:
//!
//! - [`write`](TransferTimeoutLayerBuilder::write) bounds the gap between frames of the request
//!   body: a peer that does not take it, or, on a server, one that does not send it.
//! - [`idle`](TransferTimeoutLayerBuilder::idle) bounds the time in which neither body moves: a
//!   call that nothing becomes of, though it may last for days as long as something does.
//!
//! The other limits on time, on the whole call, on its head and on the gaps of the response body,
//! are those of `TimeoutLayer` of `buttress-timeout`.
//!
//! # Where it stands
//!
//! Innermost: on a client around the client itself, inside the retry, so that each attempt is
//! bounded anew and a breaker outside sees what was cut; on a server around the handler, where a
//! sender who is slow is cut.
//!
//! It is a layer of its own, for it changes the type of the request's body into [`Watched`]: what
//! is generic over the body takes it as it comes, and the rest of the stack does not see it. What
//! takes one type of body is given that. A tonic `Channel`:
//!
//! ```text
//! ServiceBuilder::new()
//!     .layer(transfer)
//!     .map_request(|request: Request<Watched<_>>| request.map(tonic::body::Body::new))
//!     .service(channel)
//! ```
//!
//! # What counts
//!
//! | what | `write` | `idle` |
//! |---|---|---|
//! | begins | when the request body is first asked for a frame | with the call |
//! | begins anew | with each frame of the request body | with each frame of either body, the end of the request's, and the response head |
//! | ends | when the request body is over or dropped, or the response is over | when the response is over |
//!
//! Where both have passed, the one that was due first is named; of two at the same moment, `write`.
//! A response that is ready in the same moment wins, and so does a frame of its body.
//!
//! What a cut call had inside is dropped at once, under a [`Deadline`](buttress_core::Deadline)
//! that has passed, so that a breaker inside knows that it was cut, and not abandoned.
//!
//! # What it does not cover
//!
//! - Before the request body is first asked for a frame, `write` does not run: making a
//!   connection, or waiting for a place on one. `idle` runs, and so does a limit on the whole call.
//! - A frame counts when it is handed over, not when it has arrived: what fits into the buffers
//!   between here and the peer goes without waiting for anyone.
//! - The request body of a call that was cut is the client's to drop. Over HTTP/1 hyper drops it
//!   with the connection; over HTTP/2, once the head has come, it may hold it until the peer ends
//!   the stream.
//! - A call that trickles on is not cut, however long it lasts; for that there is the limit on the
//!   whole call.
//! - A response body is cut when it is next polled. `idle` counts the time that its reader takes,
//!   from the last frame that he was given; when he comes back late, a frame that is ready is his.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`write`](TransferTimeoutLayerBuilder::write) | none | from 5 to 30 s is usual; a request that is written bit by bit, such as a stream of events, may need none |
//! | [`idle`](TransferTimeoutLayerBuilder::idle) | none | from 60 to 300 s is usual; longer than the peer may think before it answers |
//! | [`name`](TransferTimeoutLayerBuilder::name) | `"transfer"` | names the layer in errors and events |
//! | [`observer`](TransferTimeoutLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! A layer without a limit passes everything. It neither reads the ambient deadline nor sets one.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, future::pending, time::Duration};
//! use buttress_core::{Phase, Rejection, RejectionKind};
//! use buttress_http::{TransferTimeoutLayer, Watched};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! let limits = TransferTimeoutLayer::builder()
//!     .write(Duration::from_secs(5))
//!     .idle(Duration::from_millis(20))
//!     .build()?;
//! let service = ServiceBuilder::new().layer(limits).service(service_fn(
//!     async |request: Request<Watched<Full<Bytes>>>| {
//!         let body = request.into_body().collect().await?.to_bytes();
//!         if body.is_empty() {
//!             pending::<()>().await;
//!         }
//!         Ok::<_, Infallible>(Response::new(Full::new(body)))
//!     },
//! ));
//! let response = service.clone().oneshot(Request::new(Full::from("something"))).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "something");
//!
//! let error = service.oneshot(Request::new(Full::default())).await.unwrap_err();
//! let rejection = Rejection::find(error.as_ref()).expect("it was cut");
//! assert!(matches!(rejection.kind(), RejectionKind::TimedOut { phase: Phase::Idle, .. }));
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each call that is cut, be
//! it in its body, with [`TimedOut`](buttress_core::RejectionKind::TimedOut) and the phase. The
//! [handle](TransferTimeoutLayer::handle) counts them.

mod follower;
mod future;
mod handle;
mod layer;
mod limits;
mod service;
mod upload;
mod watch;
mod watched;

pub use follower::TransferFollower;
pub use future::ResponseFuture;
pub use handle::{TransferTimeoutHandle, TransferTimeoutSnapshot};
pub use layer::{TransferTimeoutLayer, TransferTimeoutLayerBuilder};
pub use service::TransferTimeout;
pub use watched::Watched;
