//! An HTTP server on a port of its own that can be shut down.

use std::{io, net::SocketAddr, time::Duration};

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
    accepting: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Listens on the loopback interface.
    pub(crate) fn start(router: Router) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        let listener = socket.listen(BACKLOG)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, router, stopped));
        Ok(Self { address, accepting, stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the connections finish what they are at for half a second, and cuts the rest.
    pub(crate) async fn shut_down(self) {
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
    }
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
