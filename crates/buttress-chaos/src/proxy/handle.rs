//! What an operator holds.

use std::{io, net::SocketAddr, sync::Arc};

use buttress_core::ConfigError;
use tokio::sync::{mpsc, oneshot};

use super::{running::Command, toxic::Toxic, toxics::Toxics};

/// Changes the faults of a proxy while it runs; made by
/// [`FaultProxy::handle`](crate::proxy::FaultProxy::handle).
///
/// Clones change the same proxy. Toxics strike connections that are open as well as those to come,
/// in the order in which they were added. Bytes that one holds when it is removed flow on, in order.
#[derive(Debug, Clone)]
pub struct ProxyHandle {
    address: SocketAddr,
    name: Arc<str>,
    toxics: Arc<Toxics>,
    commands: mpsc::Sender<Command>,
}

impl ProxyHandle {
    pub(super) fn new(
        address: SocketAddr,
        name: Arc<str>,
        toxics: Arc<Toxics>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self { address, name, toxics, commands }
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the proxy is called in a timeline.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a toxic in force, under a name of its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the name is taken.
    pub fn add(&self, name: &str, toxic: Toxic) -> Result<(), ConfigError> {
        self.toxics.add(name, toxic)
    }

    /// Puts a toxic in force in the place of the one of this name. One of the other direction is a
    /// new one.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is none of this name.
    pub fn change(&self, name: &str, toxic: Toxic) -> Result<(), ConfigError> {
        self.toxics.change(name, toxic)
    }

    /// Ends the toxic of this name, and gives it back; `None` if there is none.
    pub fn remove(&self, name: &str) -> Option<Toxic> {
        self.toxics.remove(name)
    }

    /// Ends all toxics. A proxy that refuses goes on doing so.
    pub fn clear(&self) {
        self.toxics.clear();
    }

    /// The toxic of this name.
    pub fn get(&self, name: &str) -> Option<Toxic> {
        self.toxics.list().iter().find(|named| &*named.name == name).map(|named| named.toxic)
    }

    /// All toxics with their names, in the order in which they were added.
    pub fn list(&self) -> Vec<(String, Toxic)> {
        self.toxics.list().iter().map(|named| (named.name.to_string(), named.toxic)).collect()
    }

    /// Refuses whoever connects, and cuts the connections that are open, as if the server had died.
    /// Clients see `ECONNREFUSED`. The port is kept. Returns when it is done.
    ///
    /// # Errors
    ///
    /// That the proxy has been shut down, or what the system says against holding the port.
    pub async fn refuse(&self) -> io::Result<()> {
        self.tell(Command::Refuse).await
    }

    /// Lets clients connect again, at the same port. Returns when it is done.
    ///
    /// # Errors
    ///
    /// That the proxy has been shut down, or what the system says against listening.
    pub async fn enable(&self) -> io::Result<()> {
        self.tell(Command::Enable).await
    }

    async fn tell(
        &self,
        command: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Command,
    ) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the proxy has been shut down");
        let (done, is_done) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?
    }

    pub(super) async fn shut_down(&self) {
        let _ = self.commands.send(Command::ShutDown).await;
    }
}
