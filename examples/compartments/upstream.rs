//! The upstreams: small services on real sockets, of which one can be made to hang.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, routing::get, serve::ListenerExt};
use buttress::prelude::{BoxError, ChaosHandle, ChaosLayer, Faults, RespondLayer};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tower::ServiceBuilder;

use crate::dependency::{Dependency, SERVICE_TIME};

/// One server for each dependency; dropped, they listen no more.
pub(crate) struct Upstreams {
    addresses: [SocketAddr; 3],
    faults: Vec<ChaosHandle>,
    _serving: JoinSet<io::Result<()>>,
}

impl Upstreams {
    /// Starts them, in good health.
    pub(crate) async fn start() -> io::Result<Self> {
        let mut serving = JoinSet::new();
        let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); 3];
        let mut faults = Vec::new();
        for (address, of) in addresses.iter_mut().zip(Dependency::ALL) {
            // Not one layer for all: they are to fail each for itself.
            let chaos = ChaosLayer::builder().name(of.name()).build().map_err(io::Error::other)?;
            faults.push(chaos.handle());
            let listener = TcpListener::bind(*address).await?;
            *address = listener.local_addr()?;
            let answer = async || {
                sleep(SERVICE_TIME).await;
                "done"
            };
            // axum wants services that do not fail, and hanging is done by a layer that could.
            let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(chaos);
            let router = Router::new().route("/{dependency}", get(answer)).layer(layers);
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            serving.spawn(async { axum::serve(listener, router).await });
        }
        Ok(Self { addresses, faults, _serving: serving })
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 3] {
        self.addresses
    }

    /// Lets this one take requests and answer none from now on. Those that it has already are answered.
    pub(crate) fn hang(&self, dependency: Dependency) -> Result<(), BoxError> {
        let hangs = Faults::none().latency(1.0, Duration::MAX)?;
        Ok(self.faults[dependency as usize].set(hangs)?)
    }
}
