//! Where a call ends: in front of a client, or behind a server.

pub(crate) mod axum_server;
mod forward;
pub(crate) mod gateway;
pub(crate) mod hyper_client;
pub(crate) mod reqwest_client;
pub(crate) mod tonic_client;
pub(crate) mod tonic_server;
