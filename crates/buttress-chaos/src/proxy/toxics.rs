//! The toxics of a proxy, by name.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    iter,
    sync::Arc,
};

use buttress_core::ConfigError;
use tokio::sync::watch;

use super::toxic::{Direction, Toxic};

/// A toxic that is in force.
#[derive(Debug)]
pub(super) struct Named {
    /// Of this toxic alone: one that is removed and added again is another.
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    pub(super) toxic: Toxic,
}

impl Named {
    /// Where the randomness of this toxic upon this connection begins: by its name, so that what one
    /// toxic draws does not depend on which others there are.
    pub(super) fn seed(&self, connection: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (connection, &*self.name).hash(&mut hasher);
        hasher.finish()
    }
}

/// All toxics in the order in which they were added, and whoever waits for a change.
#[derive(Debug)]
pub(super) struct Toxics {
    list: watch::Sender<List>,
}

#[derive(Debug, Default)]
pub(super) struct List {
    named: Vec<Arc<Named>>,
    next_id: u64,
}

impl List {
    /// Those for what flows this way.
    pub(super) fn of(&self, direction: Direction) -> Vec<Arc<Named>> {
        let way = |named: &&Arc<Named>| named.toxic.direction() == direction;
        self.named.iter().filter(way).cloned().collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.named.iter().position(|named| &*named.name == name)
    }

    fn push(&mut self, name: Arc<str>, toxic: Toxic) -> u64 {
        let id = self.next_id;
        self.named.push(Arc::new(Named { id, name, toxic }));
        self.next_id += 1;
        id
    }
}

impl Toxics {
    pub(super) fn new() -> Self {
        Self { list: watch::Sender::new(List::default()) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<List> {
        self.list.subscribe()
    }

    pub(super) fn add(&self, name: &str, toxic: Toxic) -> Result<(), ConfigError> {
        self.change_list(|list| {
            if list.place(name).is_some() {
                return Err(refused(name, "a name that no toxic of this proxy has"));
            }
            list.push(name.into(), toxic);
            Ok(())
        })
    }

    /// Under this name, or one that begins so and is free; gives back its id.
    pub(super) fn add_somehow(&self, name: &str, toxic: Toxic) -> u64 {
        let mut id = 0;
        self.list.send_modify(|list| {
            let numbered = (2..).map(|number| format!("{name} ({number})"));
            let mut names = iter::once(name.to_owned()).chain(numbered);
            let free = names.find(|name| list.place(name).is_none());
            id = list.push(free.unwrap_or_default().into(), toxic);
        });
        id
    }

    /// Ends this very toxic, whatever else has its name by now.
    pub(super) fn remove_this(&self, id: u64) {
        self.list.send_if_modified(|list| {
            let before = list.named.len();
            list.named.retain(|named| named.id != id);
            list.named.len() != before
        });
    }

    pub(super) fn change(&self, name: &str, toxic: Toxic) -> Result<(), ConfigError> {
        self.change_list(|list| {
            let place = list.place(name).ok_or_else(|| refused(name, "that of a toxic"))?;
            let before = &mut list.named[place];
            let name = Arc::clone(&before.name);
            if before.toxic.direction() == toxic.direction() {
                *before = Arc::new(Named { id: before.id, name, toxic });
            } else {
                // Of the other way it is a new one, and the last.
                list.named.remove(place);
                list.push(name, toxic);
            }
            Ok(())
        })
    }

    pub(super) fn remove(&self, name: &str) -> Option<Toxic> {
        let mut removed = None;
        self.list.send_if_modified(|list| {
            removed = list.place(name).map(|place| list.named.remove(place).toxic);
            removed.is_some()
        });
        removed
    }

    pub(super) fn clear(&self) {
        self.list.send_modify(|list| list.named.clear());
    }

    pub(super) fn list(&self) -> Vec<Arc<Named>> {
        self.list.borrow().named.clone()
    }

    fn change_list(
        &self,
        change: impl FnOnce(&mut List) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let mut result = Ok(());
        self.list.send_if_modified(|list| {
            result = change(list);
            result.is_ok()
        });
        result
    }
}

fn refused(name: &str, allowed: &'static str) -> ConfigError {
    ConfigError::new("name", format!("`{name}`"), allowed)
}
