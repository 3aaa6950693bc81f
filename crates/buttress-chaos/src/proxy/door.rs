//! The port of a proxy: open, or held while nobody is let in.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

pub(super) enum Door {
    Open(TcpListener),
    // Bound, but not listening: the system refuses whoever connects, and gives the port to nobody who
    // asks for any that is free.
    Held(TcpSocket),
    /// The system did not give the port back.
    Lost,
}

impl Door {
    pub(super) fn open(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = bind(address)?.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((Self::Open(listener), address))
    }

    /// The next client; none while the door is shut.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => Ok(listener.accept().await?.0),
            Self::Held(_) | Self::Lost => pending().await,
        }
    }

    /// Refuses whoever connects from now on.
    pub(super) async fn shut(&mut self, address: SocketAddr) -> io::Result<()> {
        if !matches!(self, Self::Held(_)) {
            *self = Self::Lost;
            *self = Self::Held(hold(address).await?);
        }
        Ok(())
    }

    /// Lets clients in again.
    pub(super) async fn open_again(&mut self, address: SocketAddr) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Held(socket) => Self::Open(socket.listen(BACKLOG)?),
            Self::Lost => Self::Open(hold(address).await?.listen(BACKLOG)?),
            open @ Self::Open(_) => open,
        };
        Ok(())
    }
}

/// Tried again for a while, as the system may not have released the port yet.
async fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    for _ in 0..100 {
        if let Ok(socket) = bind(address) {
            return Ok(socket);
        }
        sleep(Duration::from_millis(10)).await;
    }
    bind(address)
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of before, which the system has not forgotten yet, are not in the way. Elsewhere
    // this would let two programs listen at one port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
