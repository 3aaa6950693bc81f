//! The gateway of the examples over real sockets: what passes through it, what does not, and what
//! becomes of it when an upstream or a client fails.

mod bodies;
mod clients;
mod failing;
mod fields;
mod foreign;
mod limits;
mod load;
mod nginx;
#[allow(unreachable_pub, reason = "it is a part of another program")]
#[path = "../../examples/gateway/proxy/mod.rs"]
mod proxy;
mod raw;
mod running;
mod shutdown;
mod streaming;
mod trailers;
mod upstream;

use std::time::Duration;

use tokio::time::timeout;

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(10);

/// What is to happen, and soon.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(HANG, happens).await.unwrap_or_else(|_| panic!("in time: {what}"))
}
