//! Foreign gRPC, Python's: its client understands what we answer, and its server what we send. Where
//! `python3` has no grpcio, the tests are ignored.

#[path = "../tonic_forms/caller.rs"]
mod caller;
mod deadlines;
mod python;
#[path = "../tonic_forms/service.rs"]
mod service;
#[path = "../tonic_forms/text.rs"]
mod text;
mod their_client;
mod their_server;

use std::time::Duration;

/// Longer than any call that is to end by itself takes.
const LONG: Duration = Duration::from_secs(30);
