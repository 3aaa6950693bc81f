//! The task of a proxy, which owns its port and its connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use buttress_core::Randomness;
use rand::RngExt;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};

use super::{
    connection::{self, Settings},
    door::Door,
    toxics::Toxics,
};

/// What the task is told.
#[derive(Debug)]
pub(super) enum Command {
    Refuse(By, oneshot::Sender<io::Result<()>>),
    Enable(By, oneshot::Sender<io::Result<()>>),
    ShutDown,
}

/// Who refuses: the door opens when nobody does any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A user, who has said it once however often he said it.
    Hand,
    /// One step of a timeline.
    Step,
}

#[derive(Debug, Default)]
struct Refusals {
    by_hand: bool,
    by_steps: usize,
}

impl Refusals {
    fn begin(&mut self, by: By) {
        match by {
            By::Hand => self.by_hand = true,
            By::Step => self.by_steps += 1,
        }
    }

    fn end(&mut self, by: By) {
        match by {
            By::Hand => self.by_hand = false,
            By::Step => self.by_steps = self.by_steps.saturating_sub(1),
        }
    }

    fn is_over(&self) -> bool {
        !self.by_hand && self.by_steps == 0
    }
}

pub(super) struct Running {
    pub(super) door: Door,
    pub(super) address: SocketAddr,
    pub(super) upstream: Arc<str>,
    pub(super) buffer: usize,
    pub(super) rng: Randomness,
    pub(super) toxics: Arc<Toxics>,
}

impl Running {
    /// Until it is told to end. Its connections are its own: aborting it cuts them.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut connections = JoinSet::new();
        let mut refusals = Refusals::default();
        loop {
            tokio::select! {
                accepted = self.door.accept() => match accepted {
                    Ok(client) => self.carry(client, &mut connections),
                    // Out of file descriptors, most likely; some will come back.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
                Some(_) = connections.join_next() => {}
                command = commands.recv() => match command {
                    Some(Command::Refuse(by, done)) => {
                        refusals.begin(by);
                        let shut = self.door.shut(self.address).await;
                        connections.shutdown().await;
                        let _ = done.send(shut);
                    }
                    Some(Command::Enable(by, done)) => {
                        refusals.end(by);
                        let opened = if refusals.is_over() {
                            self.door.open_again(self.address).await
                        } else {
                            Ok(())
                        };
                        let _ = done.send(opened);
                    }
                    Some(Command::ShutDown) | None => break,
                },
            }
        }
        drop(self.door);
        connections.shutdown().await;
    }

    fn carry(&self, client: TcpStream, connections: &mut JoinSet<()>) {
        // Drawn in the order in which clients are accepted.
        let seed = self.rng.with(|rng| rng.random());
        let settings = Settings { toxics: self.toxics.watch(), buffer: self.buffer, seed };
        let upstream = Arc::clone(&self.upstream);
        connections.spawn(connection::carry(client, upstream, settings));
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, time::timeout};

    use super::*;

    /// On one thread, so that a connection is cut off before it has run at all.
    #[tokio::test]
    async fn who_is_cut_off_at_once_is_reset_as_well() {
        let (door, address) = Door::open(([127, 0, 0, 1], 0).into()).unwrap();
        let running = Running {
            door,
            address,
            upstream: address.to_string().into(),
            buffer: 1,
            rng: Randomness::default(),
            toxics: Arc::new(Toxics::new()),
        };
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut connections = JoinSet::new();
        running.carry(running.door.accept().await.unwrap(), &mut connections);
        connections.shutdown().await;
        let read = timeout(Duration::from_secs(10), client.read_u8()).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
