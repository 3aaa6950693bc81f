//! A limit on making a connection.
//!
//! [`ConnectTimeoutLayer`] goes around a *connector*: what hyper-util's client and reqwest call to
//! get a connection, before there is a request to send. Name resolution, TCP and TLS count
//! together, whatever the connector does of them, so put it outside the one that does TLS.
//!
//! The error of a connection that took too long answers `true` to `is_connect()` of hyper-util's
//! and of reqwest's error, and [`Rejection::find`](buttress_core::Rejection::find) finds in its
//! chain which limit it was.
//!
//! The ambient deadline does not cut a connection, for a client may keep one whose call is gone
//! for the next. The call that asked for it is cut by its own limit.
//!
//! # With hyper-util
//!
//! ```
//! use std::time::Duration;
//! use buttress_timeout::ConnectTimeoutLayer;
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::{TokioExecutor, TokioTimer}};
//! use tower::ServiceBuilder;
//!
//! # fn main() -> Result<(), buttress_core::ConfigError> {
//! let connector = ServiceBuilder::new()
//!     .layer(ConnectTimeoutLayer::new(Duration::from_secs(2))?)
//!     .service(HttpConnector::new());
//! let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
//!     // How long a connection that nobody uses is kept is the pool's to say.
//!     .pool_idle_timeout(Duration::from_secs(90))
//!     .pool_timer(TokioTimer::new())
//!     .build(connector);
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # With reqwest
//!
//! ```
//! # use std::time::Duration;
//! # use buttress_timeout::ConnectTimeoutLayer;
//! # fn main() -> Result<(), buttress_core::BoxError> {
//! let client = reqwest::Client::builder()
//!     .connector_layer(ConnectTimeoutLayer::new(Duration::from_secs(2))?)
//!     .pool_idle_timeout(Duration::from_secs(90))
//!     .build()?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use future::ConnectFuture;
pub use layer::ConnectTimeoutLayer;
pub use service::ConnectTimeout;
