//! Errors turned into responses.
//!
//! [`RespondLayer`] stands outermost on a server. What a Buttress layer refused or cut becomes
//! the response that HTTP has for it; any other error becomes a 502. The error type is
//! `Infallible`, so axum's `Router::layer` takes the stack without a `HandleErrorLayer`.
//!
//! | rejection | status | `Retry-After` | under gRPC |
//! |---|---|---|---|
//! | `TimedOut`, `DeadlineExceeded` | 504 Gateway Timeout | | 4 DEADLINE_EXCEEDED |
//! | `CircuitOpen` | 503 Service Unavailable | what remains of the open time, else 1 | 14 UNAVAILABLE |
//! | `BulkheadFull`, `QueueTimeout` | 503, or as [`when_full`](RespondLayer::when_full) says | what the layer estimates, else 1 | 14 UNAVAILABLE |
//! | `Injected` | 503 | | 14 UNAVAILABLE |
//! | any other | 500 Internal Server Error | | 13 INTERNAL |
//! | no rejection | 502 Bad Gateway | | 14 UNAVAILABLE |
//!
//! Seconds are rounded up, for one that comes back too early is refused again. The text of the
//! response is the status's own: names and limits of the inside stay inside.
//!
//! # gRPC
//!
//! A request is gRPC if it is a POST whose content type is `application/grpc`, also with a suffix
//! or parameters; gRPC-Web is not. What would have been an error before the head is a response that is its head
//! alone: 200, with `grpc-status` and `grpc-message` in its headers and an empty body. What would
//! have been an error of its body is said by trailers, in place of the error, and ends the body;
//! after the body's own trailers nothing is said any more. A response to it that is of another
//! content type is treated as plain HTTP.
//!
//! Under plain HTTP the head has said by then how the call went. An error of the body passes, and
//! the server breaks the response off, so that the client sees that it is not whole.

mod body;
mod future;
mod grpc_status;
mod layer;
mod service;
mod status;

pub use body::Body;
pub use future::ResponseFuture;
pub use layer::RespondLayer;
pub use service::Respond;
