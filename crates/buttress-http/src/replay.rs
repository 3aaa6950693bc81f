//! Request bodies that can be sent again.
//!
//! A streamed body is gone when it has been sent, so a request that has one can not be repeated.
//! [`ReplayBodyLayer`], outside the retry, keeps what is sent of it, up to a limit, so that another
//! attempt can send it again:
//!
//! ```
//! use buttress_http::{Http, ReplayBodyLayer};
//! use buttress_retry::JitteredRetryLayer;
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::{BodyExt, Full};
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttress_core::BoxError> {
//! # let client = service_fn(async |request: Request<buttress_http::ReplayBody>| {
//! #     let body = request.into_body().collect().await.unwrap().to_bytes();
//! #     Ok::<_, Infallible>(Response::new(Full::new(body)))
//! # });
//! # let upload = Full::<Bytes>::from("any body");
//! let service = ServiceBuilder::new()
//!     .layer(ReplayBodyLayer::new())
//!     .layer(JitteredRetryLayer::builder().protocol(Http::new()).build()?)
//!     .service(client);
//! let response = service.oneshot(Request::put("/").body(upload)?).await?;
//! # assert_eq!(response.into_body().collect().await?.to_bytes(), "any body");
//! # Ok(())
//! # }
//! ```
//!
//! Whatever body the caller has, what stands inside gets a [`ReplayBody`]. A client that wants
//! another type, such as tonic's `Channel`, has it made innermost, by tower's `MapRequestLayer`.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`max_bytes`](ReplayBodyLayerBuilder::max_bytes) | 64 KiB | most calls of an API are smaller; a thousand of them in flight keep 64 MiB at the worst |
//!
//! # Rules
//!
//! - **Nothing is read ahead.** A part is copied when it is sent, and only if another attempt may
//!   follow.
//! - **What another attempt sends** is the same bytes and the same trailers, after the same hints of
//!   the length; not necessarily in the same parts. An attempt that broke off in the midst of the
//!   body is no obstacle: what was sent is sent again, and then the rest.
//! - **Not repeated** is a body that is larger than the limit, which is sent once as if the layer
//!   were not there; one that was still being sent when the answer came, for nobody knows what the
//!   server does with the rest; and one that itself broke off. The retry's event says which.
//! - **A body that is empty** costs nothing.

mod body;
mod layer;
mod rest;
mod service;
mod source;

pub use self::{
    body::ReplayBody,
    layer::{ReplayBodyLayer, ReplayBodyLayerBuilder},
    service::Replaying,
};
