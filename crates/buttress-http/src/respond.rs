//! Errors turned into responses.
//!
//! [`RespondLayer`] stands outermost on a server. What a Buttress layer refused or cut becomes
//! the response that HTTP has for it; any other error becomes a 502. The error type is
//! `Infallible`, so axum's `Router::layer` takes the stack without a `HandleErrorLayer`.
//!
//! | rejection | status | `Retry-After` |
//! |---|---|---|
//! | `TimedOut`, `DeadlineExceeded` | 504 Gateway Timeout | |
//! | `CircuitOpen` | 503 Service Unavailable | what remains of the open time, else 1 |
//! | `BulkheadFull`, `QueueTimeout` | 503, or as [`when_full`](RespondLayer::when_full) says | what the layer estimates, else 1 |
//! | `Injected` | 503 | |
//! | any other | 500 Internal Server Error | |
//! | no rejection | 502 Bad Gateway | |
//!
//! Seconds are rounded up, for one that comes back too early is refused again. The text of the
//! response is the status's own: names and limits of the inside stay inside.

mod future;
mod layer;
mod service;
mod status;

pub use future::ResponseFuture;
pub use layer::RespondLayer;
pub use service::Respond;
