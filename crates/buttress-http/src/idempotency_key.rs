//! A key that makes a request safe to send twice.
//!
//! A POST that is executed twice orders twice. A server that honours the `Idempotency-Key` header
//! executes a key once, and answers a second request with the first one's answer; so [`Http`] repeats
//! what carries one. [`IdempotencyKeyLayer`], *outside* the retry, gives each call a key of its own,
//! and all its attempts the same:
//!
//! ```
//! use buttress_http::{Http, IdempotencyKeyLayer};
//! use buttress_retry::JitteredRetryLayer;
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! # let client = service_fn(async |request: Request<Full<Bytes>>| {
//! #     assert!(request.headers().contains_key("idempotency-key"));
//! #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//! # });
//! let service = ServiceBuilder::new()
//!     .layer(IdempotencyKeyLayer::new())
//!     .layer(JitteredRetryLayer::builder().protocol(Http::new()).build()?)
//!     .service(client);
//! service.oneshot(Request::post("/orders").body(Full::from("one of these"))?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Use it only in front of a server that honours the header. One that ignores it executes each
//! attempt, and then the key does harm.
//!
//! The key is a random UUID, as a string of RFC 9651: `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, in
//! quotes, after the IETF draft "The Idempotency-Key HTTP Header Field". Requests whose method is
//! idempotent by RFC 9110, section 9.2.2, need none and get none; one that brings a key keeps it.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`rng`](IdempotencyKeyLayerBuilder::rng) | the thread's own generator | a seed repeats a run |
//!
//! [`Http`]: crate::Http

mod layer;
mod service;

pub use self::{
    layer::{IdempotencyKeyLayer, IdempotencyKeyLayerBuilder},
    service::IdempotencyKey,
};
