//! The proxy and its builder.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use buttress_core::{ConfigError, Randomness};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{ProxyHandle, door::Door, running::Running, toxics::Toxics};

/// What all stages of one direction hold at most under latency.
const BUFFER: usize = 1024 * 1024;

/// A TCP proxy whose connections fail on demand; see the [module's page](crate::proxy).
///
/// It runs as a task of the runtime that it was started on, until it is shut down or dropped.
#[derive(Debug)]
pub struct FaultProxy {
    handle: ProxyHandle,
    running: JoinHandle<()>,
}

impl FaultProxy {
    /// A builder of a proxy in front of this upstream, `host:port`; see the
    /// [table of settings](crate::proxy#settings).
    pub fn builder(upstream: impl fmt::Display) -> FaultProxyBuilder {
        FaultProxyBuilder {
            upstream: upstream.to_string().into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "proxy".into(),
            buffer: BUFFER,
            rng: Randomness::default(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    /// Changes its faults while it runs.
    pub fn handle(&self) -> ProxyHandle {
        self.handle.clone()
    }

    /// Stops listening and cuts all connections. When this returns, every task and socket of the
    /// proxy is gone. Dropping it does the same, but returns before it is done.
    pub async fn shut_down(mut self) {
        self.handle.shut_down();
        let _ = (&mut self.running).await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Builds a [`FaultProxy`].
#[derive(Debug)]
pub struct FaultProxyBuilder {
    upstream: Arc<str>,
    listen: SocketAddr,
    name: Arc<str>,
    buffer: usize,
    rng: Randomness,
}

impl FaultProxyBuilder {
    /// Listens here. Default: a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Is the target of this name in a timeline. Default: `"proxy"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Holds at most so many bytes for each direction of a connection while there is a latency, so
    /// that a reader does not run away from a writer; 1 or more. Default: 1 MiB, of which without
    /// latency only 64 KiB are used.
    ///
    /// It is also what a latency can cost in bandwidth: no more than this passes in the time of one
    /// delay, 10 MiB a second at 100 ms.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Draws from one generator that starts at `seed`, so that a run can be repeated: the first
    /// connection that is accepted is struck by the same toxics, by the same jitter, and so on. Default:
    /// seeded by the operating system.
    pub fn rng(mut self, seed: u64) -> Self {
        self.rng = Randomness::seeded(seed);
        self
    }

    /// Starts it: from now on it accepts connections.
    ///
    /// # Errors
    ///
    /// What the system says against listening; or [`InvalidInput`](io::ErrorKind::InvalidInput) around
    /// a [`ConfigError`] if `buffer` is zero. An upstream that can not be reached within 10 s is an error of
    /// each connection, which is reset.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without IO and time.
    #[expect(clippy::unused_async, reason = "it needs a runtime, and may have to wait one day")]
    pub async fn start(self) -> io::Result<FaultProxy> {
        let Self { upstream, listen, name, buffer, rng } = self;
        ConfigError::check_count("buffer", buffer, isize::MAX as usize)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (door, address) = Door::open(listen)?;
        let toxics = Arc::new(Toxics::new());
        let (commands, told) = mpsc::unbounded_channel();
        let handle = ProxyHandle::new(address, name, Arc::clone(&toxics), commands);
        let running = Running { door, address, upstream, buffer, rng, toxics };
        Ok(FaultProxy { handle, running: tokio::spawn(running.run(told)) })
    }
}
