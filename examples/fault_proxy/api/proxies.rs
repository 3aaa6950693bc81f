//! All proxies, and what is done with them, one thing after the other.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

use axum::{body::Bytes, http::StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{
    error::ApiError,
    fields::{NewProxy, Shown},
    listen,
    proxy::Proxy,
};

/// What is asked for, with the body of the request.
pub(super) enum Ask {
    All,
    Create(Bytes),
    Populate(Bytes),
    Reset,
    Show(String),
    Change(String, Bytes),
    Delete(String),
    Toxics(String),
    AddToxic(String, Bytes),
    ShowToxic(String, String),
    ChangeToxic(String, String, Bytes),
    RemoveToxic(String, String),
}

/// A status, and what there is to say beside it.
type Said = (StatusCode, Option<Value>);

pub(super) type Answer = Result<Said, ApiError>;

/// Whoever asks says where the answer is to go.
pub(super) type Asked = (Ask, oneshot::Sender<Answer>);

/// All proxies by name.
pub(crate) struct Proxies {
    by_name: BTreeMap<String, Proxy>,
    seed: Option<u64>,
}

impl Proxies {
    /// None yet. With a seed each draws from a generator that starts at this and at its name.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { by_name: BTreeMap::new(), seed }
    }

    /// Does what is asked for until nobody can ask any more. Whatever has begun is done to its end,
    /// even if whoever asked has gone.
    pub(super) async fn keep(&mut self, asked: &mut mpsc::Receiver<Asked>) {
        while let Some((ask, answer)) = asked.recv().await {
            let _ = answer.send(self.answer(ask).await);
        }
    }

    async fn answer(&mut self, ask: Ask) -> Answer {
        Ok(match ask {
            Ask::All => {
                let all = self.by_name.iter().map(|(name, proxy)| (name, proxy.show()));
                ok(&all.collect::<BTreeMap<_, _>>())
            }
            Ask::Create(body) => self.create(&body).await?,
            Ask::Populate(body) => self.populate_and_say(&body).await,
            Ask::Reset => {
                self.reset().await?;
                DONE
            }
            Ask::Show(name) => ok(&self.get(&name)?.show()),
            Ask::Change(name, body) => {
                let proxy = self.get(&name)?;
                proxy.change(&body).await?;
                ok(&proxy.show())
            }
            Ask::Delete(name) => {
                let mut proxy = self.by_name.remove(&name).ok_or_else(ApiError::no_proxy)?;
                proxy.shut_down().await;
                DONE
            }
            Ask::Toxics(name) => ok(&self.get(&name)?.toxics()),
            Ask::AddToxic(name, body) => ok(self.get(&name)?.add(&body)?),
            Ask::ShowToxic(name, toxic) => ok(self.get(&name)?.toxic(&toxic)?),
            Ask::ChangeToxic(name, toxic, body) => {
                ok(self.get(&name)?.change_toxic(&toxic, &body)?)
            }
            Ask::RemoveToxic(name, toxic) => {
                self.get(&name)?.remove(&toxic)?;
                DONE
            }
        })
    }

    fn get(&mut self, name: &str) -> Result<&mut Proxy, ApiError> {
        self.by_name.get_mut(name).ok_or_else(ApiError::no_proxy)
    }

    async fn create(&mut self, body: &[u8]) -> Result<Said, ApiError> {
        let new = NewProxy::read(body)?;
        let seed = self.seed_of(&new.name);
        let Entry::Vacant(place) = self.by_name.entry(new.name.clone()) else {
            return Err(ApiError::new(StatusCode::CONFLICT, "proxy already exists"));
        };
        let listen = listen::read(&new.listen).await?;
        let mut proxy = Proxy::new(new.name, listen, new.upstream, seed);
        if new.enabled {
            proxy.enable().await?;
        }
        Ok((StatusCode::CREATED, Some(json!(place.insert(proxy).show()))))
    }

    /// Has those of a JSON list, each in the place of one of its name that is at other addresses. Up to the
    /// first that can not be had.
    pub(crate) async fn populate(&mut self, list: &[u8]) -> Result<(), ApiError> {
        self.populate_up_to(NewProxy::read_list(list)?).await.1
    }

    async fn populate_and_say(&mut self, list: &[u8]) -> Said {
        let (names, result) = match NewProxy::read_list(list) {
            Ok(list) => {
                let (names, result) = self.populate_up_to(list).await;
                (Some(names), result)
            }
            Err(error) => (None, Err(error)),
        };
        let show = |names: Vec<String>| -> Vec<Shown<'_>> {
            names.iter().filter_map(|name| Some(self.by_name.get(name)?.show())).collect()
        };
        let proxies = json!(names.map(show));
        match result {
            Ok(()) => (StatusCode::CREATED, Some(json!({ "proxies": proxies }))),
            Err(error) => {
                let mut body = json!(error);
                body["proxies"] = proxies;
                (error.status, Some(body))
            }
        }
    }

    /// The names of those that are there now.
    async fn populate_up_to(&mut self, list: Vec<NewProxy>) -> (Vec<String>, Result<(), ApiError>) {
        let mut there = Vec::with_capacity(list.len());
        for new in list {
            let name = new.name.clone();
            if let Err(error) = self.add_or_replace(new).await {
                return (there, Err(error));
            }
            there.push(name);
        }
        (there, Ok(()))
    }

    async fn add_or_replace(&mut self, new: NewProxy) -> Result<(), ApiError> {
        let listen = listen::read(&new.listen).await?;
        if let Some(before) = self.by_name.get_mut(&new.name) {
            if !before.differs(listen, &new.upstream) {
                return Ok(());
            }
            before.shut_down().await;
        }
        let seed = self.seed_of(&new.name);
        let mut proxy = Proxy::new(new.name.clone(), listen, new.upstream, seed);
        if new.enabled {
            proxy.enable().await?;
        }
        self.by_name.insert(new.name, proxy);
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), ApiError> {
        for proxy in self.by_name.values_mut() {
            // In this order, so that nobody who is let in again meets a toxic.
            proxy.clear();
            proxy.enable().await?;
        }
        Ok(())
    }

    pub(super) async fn shut_down(&mut self) {
        for proxy in self.by_name.values_mut() {
            proxy.shut_down().await;
        }
    }

    fn seed_of(&self, name: &str) -> Option<u64> {
        self.seed.map(|seed| {
            let mut hasher = DefaultHasher::new();
            (seed, name).hash(&mut hasher);
            hasher.finish()
        })
    }
}

const DONE: Said = (StatusCode::NO_CONTENT, None);

fn ok(said: &impl Serialize) -> Said {
    (StatusCode::OK, Some(json!(said)))
}
