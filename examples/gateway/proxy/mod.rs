//! A reverse proxy: takes requests of HTTP/1 and HTTP/2, and passes each on to the upstream of its route.
//!
//! It names nothing of the program around it, so that tests include it as it is.

mod bare;
pub(crate) mod fields;
pub(crate) mod hop_by_hop;
pub(crate) mod pass;
pub(crate) mod route;
pub(crate) mod server;
mod stack;
pub(crate) mod upstream;

use std::time::Duration;

use buttress::prelude::BoxError;
use tokio::net::TcpListener;

pub(crate) use route::Route;

/// What a gateway goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long a client may take until the head of a request is there.
    pub(crate) request: Duration,
    /// Connections of clients at once.
    pub(crate) max_connections: usize,
    /// How long a connection to an upstream may take.
    pub(crate) connect: Duration,
    /// How long one is kept that no call uses. Best a little shorter than the upstream keeps it, so that it
    /// seldom closes one as it is used: 60 s in Apache's and 75 s in nginx's defaults.
    pub(crate) unused: Duration,
    /// How long one attempt may take until the head of its response.
    pub(crate) attempt: Duration,
    /// The longest gap before a frame of a response.
    pub(crate) read: Duration,
    /// How long a call may take in all, its attempts and its body included.
    pub(crate) overall: Duration,
    /// For how long an upstream that fails is left alone.
    pub(crate) open_for: Duration,
    /// Calls to one upstream at once.
    pub(crate) max_concurrent: usize,
    /// How long calls in flight have when the gateway is told to stop.
    pub(crate) drain: Duration,
}

/// What stands between the gateway and its upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    Stack,
    /// None, to compare with.
    Bare,
}

/// Serves until `stop` is ready, and then until what is in flight is over.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Vec<Route>,
    layers: Layers,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), BoxError> {
    match layers {
        Layers::Stack => {
            let routes = stack::routes(routes, &settings)?;
            let service = |peer| stack::service(&routes, peer);
            server::serve(listener, service, stop, &settings).await;
        }
        Layers::Bare => {
            let routes = bare::routes(routes, &settings);
            let service = |peer| bare::service(&routes, peer);
            server::serve(listener, service, stop, &settings).await;
        }
    }
    Ok(())
}
