//! The upstreams: small services on real sockets that fail when told to.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::Path, routing::get};
use buttress::prelude::{ChaosHandle, ChaosLayer, ConfigError, Faults, RespondLayer};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::ServiceBuilder;

use crate::{
    measure::Meter,
    server::Server,
    shop::Upstream,
    timeline::{Change, Fault, Timeline},
};

/// The upstreams.
pub(crate) struct Upstreams(Vec<Running>);

/// When a timeline was over.
pub(crate) struct Played {
    /// When the last fault ended, counted from the start.
    pub(crate) recovered: Duration,
}

struct Running {
    server: Server,
    faults: ChaosHandle,
}

impl Upstreams {
    /// Starts them, in good health. `seed` decides which of their answers fail when some are to.
    pub(crate) async fn start(seed: u64) -> io::Result<Self> {
        let mut running = Vec::new();
        for upstream in Upstream::ALL {
            running.push(Running::start(upstream, seed.wrapping_add(upstream as u64)).await?);
        }
        Ok(Self(running))
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 6] {
        Upstream::ALL.map(|upstream| self.0[upstream as usize].server.address())
    }

    /// Lets the faults of `timeline` happen when they are due, and tells the meters.
    pub(crate) async fn play(
        &mut self,
        timeline: &Timeline,
        meters: &[Arc<Meter>],
        start: Instant,
    ) -> io::Result<Played> {
        let changes = timeline.changes();
        for (n, &Change { at, upstream, fault }) in changes.iter().enumerate() {
            sleep_until(start + at).await;
            for meter in meters {
                if n == 0 {
                    meter.faults_begin();
                }
                if fault.is_some() {
                    meter.fault_began(upstream, Instant::now());
                }
            }
            self.set(upstream, fault).await?;
        }
        for meter in meters {
            meter.faults_are_over();
        }
        Ok(Played { recovered: start.elapsed() })
    }

    /// Lets an upstream fail in this way from now on, or be well again.
    pub(crate) async fn set(&mut self, upstream: Upstream, fault: Option<Fault>) -> io::Result<()> {
        self.0[upstream as usize].set(fault).await
    }

    pub(crate) async fn shut_down(self) {
        let ends: JoinSet<()> =
            self.0.into_iter().map(|running| running.server.shut_down()).collect();
        ends.join_all().await;
    }
}

impl Running {
    async fn start(upstream: Upstream, seed: u64) -> io::Result<Self> {
        let chaos = ChaosLayer::builder().name(upstream.name()).rng(seed).build();
        let chaos = chaos.map_err(io::Error::other)?;
        let faults = chaos.handle();
        // Injected errors become 503s.
        let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(chaos);
        let answer = async move |Path(subject): Path<String>| Json(upstream.answer(&subject));
        let router = Router::new().route("/{subject}", get(answer)).layer(layers);
        Ok(Self { server: Server::start(router).await?, faults })
    }

    async fn set(&mut self, fault: Option<Fault>) -> io::Result<()> {
        let faults = injected(fault).map_err(io::Error::other)?;
        self.faults.set(faults).map_err(io::Error::other)?;
        match fault {
            Some(Fault::Refuses) => self.server.refuse().await,
            _ => self.server.recover(),
        }
    }
}

/// The part of a fault that the chaos layer plays.
fn injected(fault: Option<Fault>) -> Result<Faults, ConfigError> {
    let none = Faults::none();
    match fault {
        None | Some(Fault::Refuses) => Ok(none),
        Some(Fault::Hangs) => none.latency(1.0, Duration::MAX),
        Some(Fault::Slow(delay)) => none.latency(1.0, delay),
        Some(Fault::Unavailable(rate)) => none.errors(rate),
    }
}
