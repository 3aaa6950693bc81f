//! An HTTP server on a port of its own that can be cut off, come back, and be shut down.

use std::{io, mem, net::SocketAddr, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// How long connections are given to finish at a shutdown.
const GRACE: Duration = Duration::from_millis(500);

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A server of a router at a port that the system chose.
pub(crate) struct Server {
    address: SocketAddr,
    router: Router,
    state: State,
}

enum State {
    Listening { accepting: JoinHandle<()>, stop: watch::Sender<bool> },
    // Bound, but not listening: the system refuses whoever connects, and gives the port to
    // nobody else meanwhile.
    Refusing(TcpSocket),
    Down,
}

impl Server {
    /// Listens on the loopback interface.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = socket.local_addr()?;
        let state = listen(socket, &router)?;
        Ok(Self { address, router, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and cuts the connections that are open.
    pub(crate) async fn refuse(&mut self) -> io::Result<()> {
        if let State::Listening { accepting, .. } = &mut self.state {
            accepting.abort();
            // The task is gone only then, and with it its listener and its connections.
            let _ = accepting.await;
            self.state = State::Refusing(bind(self.address).await?);
        }
        Ok(())
    }

    /// Listens again, on the same port.
    pub(crate) fn recover(&mut self) -> io::Result<()> {
        self.state = match mem::replace(&mut self.state, State::Down) {
            State::Refusing(socket) => listen(socket, &self.router)?,
            other => other,
        };
        Ok(())
    }

    /// Lets the connections finish what they are at for half a second, and cuts the rest.
    pub(crate) async fn shut_down(self) {
        if let State::Listening { accepting, stop } = self.state {
            let _ = stop.send(true);
            let _ = accepting.await;
        }
    }
}

/// Claims an address; tried again for a while, as the system may not have released it yet.
async fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut tries = 0;
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Err(error) if tries == 100 => return Err(error),
            Err(_) => sleep(Duration::from_millis(10)).await,
            Ok(()) => return Ok(socket),
        }
        tries += 1;
    }
}

fn listen(socket: TcpSocket, router: &Router) -> io::Result<State> {
    let listener = socket.listen(BACKLOG)?;
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, router.clone(), stopped));
    Ok(State::Listening { accepting, stop })
}

/// Serves whoever connects. Its connections are its own: aborting it cuts them.
async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let server = http1::Builder::new();
    let service = TowerToHyperService::new(router);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of file descriptors, most likely; some will come back.
                    sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let connection = server.serve_connection(TokioIo::new(stream), service.clone());
                connections.spawn(graceful.watch(connection));
            }
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    let _ = timeout(GRACE, graceful.shutdown()).await;
}
