//! The fault proxy of the examples through its HTTP API: what each route answers, and what becomes of
//! connections through its proxies.

#[allow(unreachable_pub, reason = "it is a part of another program")]
#[path = "../../examples/fault_proxy/api/mod.rs"]
mod api;
mod changes;
mod populate;
mod proxies;
mod running;
mod server;
mod toxics;
mod wire;

use std::time::Duration;

use tokio::time::timeout;

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(10);

/// What is to happen, and soon.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(HANG, happens).await.unwrap_or_else(|_| panic!("in time: {what}"))
}
