//! Clients and servers on both sides of a proxy, none of which waits for ever.

use std::{io, net::SocketAddr, time::Duration};

use buttress_chaos::proxy::{FaultProxy, FaultProxyBuilder, ProxyHandle};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than anything here takes, also on a machine that has much else to do.
const BOUND: Duration = Duration::from_secs(10);

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What it gives, if it does within 10 s.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.expect("it has taken 10 s")
}

/// A server's port with a proxy in front of it.
pub(crate) struct Net {
    pub(crate) upstream: TcpListener,
    pub(crate) proxy: FaultProxy,
}

impl Net {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder.rng(7)).await
    }

    pub(crate) async fn with(set: impl FnOnce(FaultProxyBuilder) -> FaultProxyBuilder) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = FaultProxy::builder(upstream.local_addr().unwrap());
        Self { upstream, proxy: set(builder).start().await.unwrap() }
    }

    pub(crate) fn handle(&self) -> ProxyHandle {
        self.proxy.handle()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// A client and a server that the proxy has brought together.
    pub(crate) async fn pair(&self) -> (TcpStream, TcpStream) {
        let (client, server) = within(async {
            tokio::join!(TcpStream::connect(self.address()), self.upstream.accept())
        })
        .await;
        (client.unwrap(), server.unwrap().0)
    }
}

/// All that comes, up to the end.
pub(crate) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    within(stream.read_to_end(&mut all)).await?;
    Ok(all)
}

/// That so many bytes come, and which.
pub(crate) async fn read(stream: &mut (impl AsyncReadExt + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

pub(crate) async fn write(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    within(stream.write_all(bytes)).await.unwrap();
}

/// That nothing comes for a while: neither a byte nor an end nor an error.
pub(crate) async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(50 * MILLISECOND, stream.peek(&mut [0])).await.is_err()
}

/// What a reader sees who is cut off.
pub(crate) async fn error(stream: &mut TcpStream) -> io::ErrorKind {
    within(stream.read(&mut [0])).await.expect_err("an end, or a byte").kind()
}
