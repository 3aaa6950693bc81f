//! One connection: two directions between two sockets.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, oneshot, watch},
    time::timeout,
};

use super::{
    toxic::Direction,
    toxics::List,
    way::{Ending, Way},
};

/// How long an upstream may take to accept.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a peer may go on sending to a connection that was closed.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is made of.
pub(super) struct Settings {
    pub(super) toxics: watch::Receiver<List>,
    pub(super) buffer: usize,
    pub(super) seed: u64,
}

/// Carries all that a client and the upstream have for one another. If it is dropped before, both are
/// reset, also if it was never polled.
pub(super) fn carry(
    client: TcpStream,
    upstream: Arc<str>,
    settings: Settings,
) -> impl Future<Output = ()> + Send {
    let client = Side::new(client);
    async move {
        let mut client = client;
        // He was accepted already; that there is nobody behind is an error, and not an end.
        let Ok(Ok(upstream)) = timeout(CONNECT, TcpStream::connect(&*upstream)).await else {
            return;
        };
        let mut upstream = Side::new(upstream);
        match between(&mut client, &mut upstream, &settings).await {
            Ending::Finished => {
                client.is_reset = false;
                upstream.is_reset = false;
            }
            Ending::Close => {
                tokio::join!(client.close(), upstream.close());
            }
            Ending::Reset => {}
        }
    }
}

async fn between(client: &mut Side, upstream: &mut Side, settings: &Settings) -> Ending {
    let (from_client, to_client) = client.stream.split();
    let (from_upstream, to_upstream) = upstream.stream.split();
    let (client_gone, is_client_gone) = oneshot::channel();
    let (upstream_gone, is_upstream_gone) = oneshot::channel();
    let up = Way::new(
        Direction::Upstream,
        (from_client, is_client_gone),
        (to_upstream, upstream_gone),
        settings,
    );
    let down = Way::new(
        Direction::Downstream,
        (from_upstream, is_upstream_gone),
        (to_client, client_gone),
        settings,
    );
    let finished = Semaphore::new(0);
    let (up, down) = (up.carry(&finished), down.carry(&finished));
    let (up, down) = (pin!(up), pin!(down));
    tokio::select! {
        ending = up => ending,
        ending = down => ending,
        _ = finished.acquire_many(2) => Ending::Finished,
    }
}

/// The socket of one of the two, who sees a reset unless all has ended well.
struct Side {
    stream: TcpStream,
    is_reset: bool,
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        // What a toxic cuts into pieces is to arrive so.
        let _ = stream.set_nodelay(true);
        Self { stream, is_reset: true }
    }

    async fn close(&mut self) {
        self.is_reset = false;
        let _ = self.stream.shutdown().await;
        // What nobody reads the system answers with a reset, which can overtake what was written.
        let mut waste = [0; 1024];
        let swallow =
            async { while self.stream.read(&mut waste).await.is_ok_and(|read| read > 0) {} };
        let _ = timeout(LINGER, swallow).await;
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if self.is_reset {
            let _ = self.stream.set_zero_linger();
        }
    }
}
