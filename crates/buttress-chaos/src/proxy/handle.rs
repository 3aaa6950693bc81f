//! What an operator holds.

use std::{io, net::SocketAddr, sync::Arc};

use buttress_core::ConfigError;
use tokio::sync::{mpsc, oneshot};

use super::{
    Playing, WireFault,
    running::{By, Command},
    toxic::Toxic,
    toxics::Toxics,
};
use crate::Timeline;

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
    commands: mpsc::UnboundedSender<Command>,
}

impl ProxyHandle {
    pub(super) fn new(
        address: SocketAddr,
        name: Arc<str>,
        toxics: Arc<Toxics>,
        commands: mpsc::UnboundedSender<Command>,
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

    /// Refuses whoever connects, who sees `ECONNREFUSED`, and resets the connections that are open, as if
    /// the server had died. The port is kept. Returns when it is done.
    ///
    /// # Errors
    ///
    /// That the proxy has been shut down, or what the system says against holding the port.
    pub async fn refuse(&self) -> io::Result<()> {
        self.tell(By::Hand, Command::Refuse).await
    }

    /// Lets clients connect again, at the same port, unless a timeline refuses them. Returns when it is
    /// done.
    ///
    /// # Errors
    ///
    /// That the proxy has been shut down, or what the system says against listening.
    pub async fn enable(&self) -> io::Result<()> {
        self.tell(By::Hand, Command::Enable).await
    }

    /// Plays this timeline from now on, beside whatever else is in force, until what it gives back is
    /// dropped.
    ///
    /// The steps count whose target is the [name](crate::proxy::FaultProxyBuilder::name) of the proxy, and
    /// those without one. Their toxics have names of their own: they begin with `timeline`. Time is
    /// tokio's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_chaos::{Step, Timeline, proxy::{FaultProxy, Toxic, WireFault}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// const MILLISECOND: Duration = Duration::from_millis(1);
    /// let late = Toxic::latency(300 * MILLISECOND, Duration::ZERO)?;
    /// let timeline = Timeline::from_iter([
    ///     Step::new(Duration::ZERO, WireFault::from(late)),
    ///     Step::new(5 * MILLISECOND, WireFault::Refuse).lasting(3 * MILLISECOND)?.on("pricing")?,
    /// ]);
    /// timeline.check_targets(&["pricing"])?;
    ///
    /// let proxy = FaultProxy::builder("127.0.0.1:9").name("pricing").start().await?;
    /// let mut playing = proxy.handle().play(&timeline);
    /// playing.finished().await?;
    /// assert_eq!(proxy.handle().list().len(), 1);
    /// drop(playing);
    /// assert_eq!(proxy.handle().list().len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without time.
    pub fn play(&self, timeline: &Timeline<WireFault>) -> Playing {
        Playing::start(self, timeline)
    }

    async fn tell(&self, by: By, say: Say) -> io::Result<()> {
        self.ask(by, say).done().await
    }

    fn ask(&self, by: By, say: Say) -> Asked {
        let (done, is_done) = oneshot::channel();
        // If nobody takes it, that it is done is never said.
        let _ = self.commands.send(say(by, done));
        Asked(is_done)
    }

    pub(super) fn toxics(&self) -> &Arc<Toxics> {
        &self.toxics
    }

    pub(super) fn shut_down(&self) {
        let _ = self.commands.send(Command::ShutDown);
    }
}

type Say = fn(By, oneshot::Sender<io::Result<()>>) -> Command;

/// Something that the proxy has been asked to do, and does even if nobody waits for it.
pub(super) struct Asked(oneshot::Receiver<io::Result<()>>);

impl Asked {
    pub(super) async fn done(self) -> io::Result<()> {
        let gone = |_| io::Error::new(io::ErrorKind::NotConnected, "the proxy has been shut down");
        self.0.await.map_err(gone)?
    }
}

/// That a step of a timeline refuses, until it is ended.
pub(super) struct Refusal {
    handle: ProxyHandle,
    over: bool,
}

impl Refusal {
    pub(super) fn begin(handle: &ProxyHandle) -> (Self, Asked) {
        let asked = handle.ask(By::Step, Command::Refuse);
        (Self { handle: handle.clone(), over: false }, asked)
    }

    /// `None` if it was ended already.
    pub(super) fn end(&mut self) -> Option<Asked> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        Some(self.handle.ask(By::Step, Command::Enable))
    }
}
