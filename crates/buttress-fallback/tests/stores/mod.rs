//! Stores for tests, and the time of day by the paused clock.

#![allow(dead_code, reason = "not every test needs all of them")]

pub(crate) mod texts;

use std::{
    cell::Cell,
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use buttress_core::BoxError;
use buttress_fallback::Store;
use bytes::Bytes;
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

/// What a store does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Works,
    Fails,
    Hangs,
    /// Has something that nobody put there.
    Garbage,
    Panics,
}

/// A store that reads as it is told.
#[derive(Clone, Default)]
pub(crate) struct Scripted(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    entries: HashMap<String, (Bytes, Duration)>,
    access: Option<Access>,
}

impl Scripted {
    pub(crate) fn set(&self, access: Access) {
        self.0.lock().unwrap().access = Some(access);
    }

    pub(crate) fn entries(&self) -> usize {
        self.0.lock().unwrap().entries.len()
    }

    /// What was put last under this key, and for how long.
    pub(crate) fn entry(&self, key: &str) -> Option<(Bytes, Duration)> {
        self.0.lock().unwrap().entries.get(key).cloned()
    }

    pub(crate) fn replace(&self, key: &str, entry: Bytes) {
        self.0.lock().unwrap().entries.insert(key.to_owned(), (entry, Duration::ZERO));
    }
}

impl Store for Scripted {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, BoxError> {
        let access = self.0.lock().unwrap().access.unwrap_or(Access::Works);
        match access {
            Access::Works => Ok(self.entry(key).map(|(entry, _)| entry)),
            Access::Fails => Err("the store is down".into()),
            Access::Hangs => pending().await,
            Access::Garbage => Ok(Some(Bytes::from_static(b"garbage"))),
            Access::Panics => panic!("the store was told to panic"),
        }
    }

    async fn put(&self, key: &str, value: Bytes, keep_for: Duration) -> Result<(), BoxError> {
        self.0.lock().unwrap().entries.insert(key.to_owned(), (value, keep_for));
        Ok(())
    }
}

/// A runtime with a clock of its own, which [`now`] follows from here on.
pub(crate) fn paused() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    START.set(Some(runtime.block_on(async { Instant::now() })));
    runtime
}

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time of day, which the paused clock drives.
pub(crate) fn now() -> SystemTime {
    let start = START.get().expect("in a runtime that is paused");
    SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30) + start.elapsed()
}
