//! One proxy: what it is to be, and, while it is so, the one that runs.

use std::{io, net::SocketAddr};

use buttress::chaos::proxy::{Direction, FaultProxy};

use super::{
    error::ApiError,
    fields::{Fields, Shown, read},
    listen,
    toxic::NamedToxic,
};

pub(super) struct Proxy {
    name: String,
    /// Of a port 0 what the system has made of it.
    listen: SocketAddr,
    upstream: String,
    seed: Option<u64>,
    enabled: bool,
    /// In the order in which they were added.
    toxics: Vec<NamedToxic>,
    /// None before it is enabled for the first time. While it is disabled, it refuses.
    running: Option<FaultProxy>,
}

impl Proxy {
    /// One that is not enabled yet.
    pub(super) fn new(
        name: String,
        listen: SocketAddr,
        upstream: String,
        seed: Option<u64>,
    ) -> Self {
        let toxics = Vec::new();
        Self { name, listen, upstream, seed, enabled: false, toxics, running: None }
    }

    pub(super) fn show(&self) -> Shown<'_> {
        Shown {
            name: &self.name,
            listen: self.listen,
            upstream: &self.upstream,
            enabled: self.enabled,
            toxics: self.toxics(),
        }
    }

    pub(super) fn differs(&self, listen: SocketAddr, upstream: &str) -> bool {
        self.listen != listen || self.upstream != upstream
    }

    pub(super) async fn enable(&mut self) -> io::Result<()> {
        match &self.running {
            Some(running) => running.handle().enable().await?,
            None => self.start().await?,
        }
        self.enabled = true;
        Ok(())
    }

    async fn start(&mut self) -> io::Result<()> {
        let mut builder = FaultProxy::builder(&self.upstream).name(&*self.name).listen(self.listen);
        if let Some(seed) = self.seed {
            builder = builder.rng(seed);
        }
        let refused = |error: io::Error| {
            io::Error::new(error.kind(), format!("can not listen at {}: {error}", self.listen))
        };
        let started = builder.start().await.map_err(refused)?;
        for toxic in &self.toxics {
            started.handle().add(toxic.name(), toxic.toxic()).map_err(io::Error::other)?;
        }
        self.listen = started.address();
        self.running = Some(started);
        Ok(())
    }

    pub(super) async fn disable(&mut self) -> io::Result<()> {
        self.enabled = false;
        match &self.running {
            Some(running) => running.handle().refuse().await,
            None => Ok(()),
        }
    }

    /// Gives its port back.
    pub(super) async fn shut_down(&mut self) {
        self.enabled = false;
        if let Some(running) = self.running.take() {
            running.shut_down().await;
        }
    }

    /// As a request asks for. Another address, here or there, is a start anew.
    pub(super) async fn change(&mut self, body: &[u8]) -> Result<(), ApiError> {
        let asked: Fields = read(body)?;
        let enabled = asked.enabled.unwrap_or(self.enabled);
        let listen = match asked.listen {
            Some(listen) => listen::read(&listen).await?,
            None => self.listen,
        };
        let upstream = asked.upstream.as_ref().unwrap_or(&self.upstream);
        if self.differs(listen, upstream) {
            let upstream = upstream.clone();
            self.shut_down().await;
            (self.listen, self.upstream) = (listen, upstream);
        }
        match (self.enabled, enabled) {
            (false, true) => self.enable().await?,
            (true, false) => self.disable().await?,
            _ => {}
        }
        Ok(())
    }
}

/// # Its toxics
impl Proxy {
    /// As they are listed: first those of what flows upstream.
    pub(super) fn toxics(&self) -> Vec<&NamedToxic> {
        let mut toxics: Vec<_> = self.toxics.iter().collect();
        toxics.sort_by_key(|toxic| toxic.direction() == Direction::Downstream);
        toxics
    }

    pub(super) fn toxic(&self, name: &str) -> Result<&NamedToxic, ApiError> {
        self.toxics.iter().find(|toxic| toxic.name() == name).ok_or_else(ApiError::no_toxic)
    }

    pub(super) fn add(&mut self, body: &[u8]) -> Result<&NamedToxic, ApiError> {
        let new = NamedToxic::new(body, |name| self.toxic(name).is_ok())?;
        if let Some(running) = &self.running {
            running.handle().add(new.name(), new.toxic()).map_err(io::Error::other)?;
        }
        self.toxics.push(new);
        Ok(&self.toxics[self.toxics.len() - 1])
    }

    pub(super) fn change_toxic(
        &mut self,
        name: &str,
        body: &[u8],
    ) -> Result<&NamedToxic, ApiError> {
        let before = self.toxics.iter_mut().find(|toxic| toxic.name() == name);
        let before = before.ok_or_else(ApiError::no_toxic)?;
        let changed = before.changed(body)?;
        if let Some(running) = &self.running {
            running.handle().change(name, changed.toxic()).map_err(io::Error::other)?;
        }
        *before = changed;
        Ok(before)
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), ApiError> {
        let place = self.toxics.iter().position(|toxic| toxic.name() == name);
        self.toxics.remove(place.ok_or_else(ApiError::no_toxic)?);
        if let Some(running) = &self.running {
            running.handle().remove(name);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.toxics.clear();
        if let Some(running) = &self.running {
            running.handle().clear();
        }
    }
}
