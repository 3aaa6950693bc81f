//! Python's client of Toxiproxy drives the fault proxy of the examples, and a socket of Python's sees what
//! comes of it. Where `python3` has no `toxiproxy`, the tests are ignored.

#[allow(unreachable_pub, reason = "it is a part of another program")]
#[path = "../../examples/fault_proxy/api/mod.rs"]
mod api;
mod python;
mod stage;
mod their_client;

use std::time::Duration;

/// Longer than anything here takes that is to end by itself.
const LONG: Duration = Duration::from_secs(30);
