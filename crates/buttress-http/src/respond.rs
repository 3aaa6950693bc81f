//! Errors turned into responses.
//!
//! [`RespondLayer`] stands outermost on a server. What a Buttress layer refused or cut becomes
//! the response that HTTP has for it; any other error becomes a 502. The error type is
//! `Infallible`, so axum's `Router::layer` takes the stack without a `HandleErrorLayer`. On a client
//! of gRPC, outermost again, it gives the generated code a status that says what happened.
//!
//! | rejection | status | `Retry-After` | under gRPC |
//! |---|---|---|---|
//! | `TimedOut`, `DeadlineExceeded` | 504 Gateway Timeout | | 4 DEADLINE_EXCEEDED |
//! | `CircuitOpen` | 503 Service Unavailable | what remains of the open time, else 1 | 14 UNAVAILABLE |
//! | `BulkheadFull`, `QueueTimeout` | 503, or `when_full` | what the layer estimates, else 1 | 14 UNAVAILABLE, or `grpc_when_full` |
//! | `Injected` | 503 | | 14 UNAVAILABLE |
//! | any other | 500 Internal Server Error | | 13 INTERNAL |
//! | no rejection | 502 Bad Gateway, or `other_errors` | | 14 UNAVAILABLE, or `grpc_other_errors` |
//!
//! Seconds are rounded up, for one that comes back too early is refused again. The body is plain text,
//! or problem details (RFC 9457) for a caller whose `Accept` asks for JSON. It says no more than
//! the status: names and limits of the inside stay inside, unless [`details`](RespondLayerBuilder::details)
//! are asked for.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`when_full`](RespondLayerBuilder::when_full) | 503 | a full bulkhead mostly means that the server is overloaded |
//! | [`grpc_when_full`](RespondLayerBuilder::grpc_when_full) | 14 UNAVAILABLE | the same, and clients repeat it |
//! | [`other_errors`](RespondLayerBuilder::other_errors) | 502 | most stacks are in front of another server |
//! | [`grpc_other_errors`](RespondLayerBuilder::grpc_other_errors) | 14 UNAVAILABLE | what gRPC has for a connection that broke |
//! | [`details`](RespondLayerBuilder::details) | no | a caller from outside has no need to know |
//!
//! # gRPC
//!
//! A request is gRPC if it is a POST whose content type is `application/grpc`, also with a suffix
//! or parameters; gRPC-Web is not. What would have been an error before the head is a response that is its head
//! alone: 200, with `grpc-status` and `grpc-message` in its headers and an empty body, and with
//! `grpc-retry-pushback-ms`, rounded up, where a layer has said when to come back. What would
//! have been an error of its body is said by trailers, in place of the error, and ends the body;
//! after the body's own trailers nothing is said any more. A response to it that is of another
//! content type is treated as plain HTTP.
//!
//! Under plain HTTP the head has said by then how the call went. An error of the body passes, and
//! the server breaks the response off, so that the client sees that it is not whole.

mod accept;
mod answers;
mod body;
mod future;
mod grpc_status;
mod layer;
mod plain;
mod service;

pub use body::Body;
pub use future::ResponseFuture;
pub use layer::{RespondLayer, RespondLayerBuilder};
pub use service::Respond;
