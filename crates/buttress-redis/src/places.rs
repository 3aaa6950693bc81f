//! How many operations may be under way at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Trouble;

/// Each has copies of its value, and whoever bounds how many it stores at once, and leaves those
/// that take too long, does not bound these: they go on in tasks.
const PUTS: usize = 256;
/// Each has little more than its key, and where an upstream is down, many ask.
const GETS: usize = 10_000;

/// The places of one store and its clones.
pub(crate) struct Places {
    puts: Arc<Semaphore>,
    gets: Arc<Semaphore>,
}

/// Held by an operation until it ends.
pub(crate) type Place = OwnedSemaphorePermit;

impl Places {
    pub(crate) fn new() -> Self {
        Self { puts: Arc::new(Semaphore::new(PUTS)), gets: Arc::new(Semaphore::new(GETS)) }
    }

    pub(crate) fn to_put(&self) -> Result<Place, Trouble> {
        Arc::clone(&self.puts).try_acquire_owned().map_err(|_| Trouble::TooMany(PUTS))
    }

    pub(crate) fn to_get(&self) -> Result<Place, Trouble> {
        Arc::clone(&self.gets).try_acquire_owned().map_err(|_| Trouble::TooMany(GETS))
    }
}
