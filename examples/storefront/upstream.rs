//! The upstreams: small services on real sockets, each behind a proxy, that fail when told to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::Path, routing::get};
use buttress::{
    chaos::proxy::{FaultProxy, Playing},
    prelude::{BoxError, ChaosHandle, ChaosLayer, Http, RespondLayer},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::ServiceBuilder;

use crate::{faults::Script, measure::Meter, server::Server, shop::Upstream};

/// The upstreams.
pub(crate) struct Upstreams(Vec<Running>);

/// When a script was over.
pub(crate) struct Played {
    /// When the last fault ended, counted from the start.
    pub(crate) recovered: Duration,
}

struct Running {
    server: Server,
    proxy: FaultProxy,
    service: ChaosHandle,
}

impl Upstreams {
    /// Starts them, in good health. `seed` decides which of their answers fail when some are to.
    pub(crate) async fn start(seed: u64) -> Result<Self, BoxError> {
        let mut running = Vec::new();
        for upstream in Upstream::ALL {
            running.push(Running::start(upstream, seed.wrapping_add(upstream as u64)).await?);
        }
        Ok(Self(running))
    }

    /// Where the proxies before them listen.
    pub(crate) fn addresses(&self) -> [SocketAddr; 6] {
        Upstream::ALL.map(|upstream| self.0[upstream as usize].proxy.address())
    }

    /// Lets the faults of a script happen when they are due, and tells the meters. What is left of them
    /// when the run is over ends then.
    pub(crate) async fn play(
        &self,
        script: &Script,
        meters: &[Arc<Meter>],
        start: Instant,
        run: Duration,
    ) -> Result<Played, BoxError> {
        let playing: Vec<_> =
            self.0.iter().map(|running| running.play(script)).collect::<Result<_, _>>()?;
        for (n, window) in script.windows.iter().enumerate() {
            sleep_until(start + window.from.min(run)).await;
            let is_its_first = script.of_upstream(window.upstream).next() == Some(window);
            for meter in meters {
                if n == 0 {
                    meter.faults_begin();
                }
                if is_its_first {
                    meter.fault_began(window.upstream, Instant::now());
                }
            }
        }
        sleep_until(start + script.ends(run)).await;
        drop(playing);
        for running in &self.0 {
            running.service.clear();
        }
        for meter in meters {
            meter.faults_are_over();
        }
        Ok(Played { recovered: start.elapsed() })
    }

    /// What breaks the way to an upstream.
    #[cfg(test)]
    pub(crate) fn wire(&self, upstream: Upstream) -> buttress::chaos::proxy::ProxyHandle {
        self.0[upstream as usize].proxy.handle()
    }

    /// What breaks an upstream itself.
    #[cfg(test)]
    pub(crate) fn service(&self, upstream: Upstream) -> &ChaosHandle {
        &self.0[upstream as usize].service
    }

    pub(crate) async fn shut_down(self) {
        let ends: JoinSet<()> = self.0.into_iter().map(Running::shut_down).collect();
        ends.join_all().await;
    }
}

impl Running {
    async fn start(upstream: Upstream, seed: u64) -> Result<Self, BoxError> {
        // Whatever a file can say happens as it is said: statuses and bodies by HTTP, and panics.
        let chaos = ChaosLayer::builder()
            .protocol(Http::new())
            .name(upstream.name())
            .rng(seed)
            .allow_panics()
            .build()?;
        let service = chaos.handle();
        // Injected errors become 503s.
        let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(chaos);
        let answer = async move |Path(subject): Path<String>| Json(upstream.answer(&subject));
        let router = Router::new().route("/{subject}", get(answer)).layer(layers);
        let server = Server::start(router)?;
        let proxy = FaultProxy::builder(server.address()).name(upstream.name()).rng(seed);
        Ok(Self { server, proxy: proxy.start().await?, service })
    }

    fn play(&self, script: &Script) -> Result<Playing, BoxError> {
        self.service.play(script.service.clone())?;
        Ok(self.proxy.handle().play(&script.wire))
    }

    async fn shut_down(self) {
        self.proxy.shut_down().await;
        self.server.shut_down().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use buttress::chaos::Timeline;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    /// What the search answers, up to the end of the connection.
    async fn answer(upstreams: &Upstreams) -> String {
        let mut stream =
            TcpStream::connect(upstreams.addresses()[Upstream::Search as usize]).await.unwrap();
        let request = b"GET /tea HTTP/1.1\r\nhost: search\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn what_is_left_of_a_script_ends_with_the_run() {
        let upstreams = Upstreams::start(1).await.unwrap();
        let (start, run) = (Instant::now(), Duration::from_millis(50));
        let wire = Timeline::from_toml("[[fault]]\nat = \"10ms\"\nblackhole = {}").unwrap();
        let service = Timeline::from_toml("[[fault]]\nat = \"0s\"\nerrors = 1.0").unwrap();
        let played = upstreams.play(&Script::new(wire, service), &[], start, run).await.unwrap();
        assert!(played.recovered >= run);
        let well = answer(&upstreams).await;
        assert!(well.starts_with("HTTP/1.1 200"), "{well}");
        upstreams.shut_down().await;
    }

    #[tokio::test]
    async fn what_a_file_says_of_an_upstream_happens_as_it_says() {
        let upstreams = Upstreams::start(1).await.unwrap();
        let well = answer(&upstreams).await;
        assert!(well.starts_with("HTTP/1.1 200"), "{well}");
        for (fault, status, ends) in [
            ("errors = 1.0", "HTTP/1.1 503", true),
            ("status = { code = 429 }", "HTTP/1.1 429", true),
            ("cut = { after = 3 }", "HTTP/1.1 200", false),
            ("panics = 1.0", "", false),
        ] {
            let text = format!("[[fault]]\nat = \"0s\"\ntarget = \"search\"\n{fault}");
            let service = Timeline::from_toml(&text).unwrap();
            let script = Script::new(Timeline::new(), service);
            let playing: Vec<_> =
                upstreams.0.iter().map(|running| running.play(&script).unwrap()).collect();
            let ill = answer(&upstreams).await;
            assert!(ill.starts_with(status), "{fault}: {ill}");
            assert!(ends || ill.len() < well.len(), "{fault}: {ill}");
            drop(playing);
        }
        upstreams.shut_down().await;
    }
}
