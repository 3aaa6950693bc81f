//! The store.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::BoxError;
use buttress_fallback::Store;
use bytes::Bytes;
use redis::{Client, Cmd, Value};

use crate::{
    RedisStoreBuilder, RedisStoreError,
    error::Trouble,
    line::{Limits, Lines},
    places::Places,
};

/// Redis adds the time of day to what it is given, and refuses what overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Keeps last known good answers in Redis; see the [crate's page](crate).
///
/// Clones are cheap, and share one connection.
///
/// # Errors
///
/// Each operation fails with a [`RedisStoreError`], within the two limits together: after at most
/// [`connect_limit`](RedisStoreBuilder::connect_limit) if there is no connection and none can be made,
/// after at most [`response_limit`](RedisStoreBuilder::response_limit) more if there is no answer.
/// It fails at once if Redis could not be reached a moment ago, or if
/// [too many are under way](crate#when-redis-is-down).
/// It must be polled on a tokio runtime that has its timers and its sockets enabled.
///
/// An operation that is dropped is not taken back: what was put may still be kept.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    lines: Arc<Lines>,
    places: Places,
    address: Arc<str>,
    prefix: String,
}

impl RedisStore {
    /// A builder of a store at this URL: `redis://[[user]:password@]host[:port][/database]`. The port
    /// is 6379 if there is none, the database 0.
    ///
    /// See the [table of settings](crate#settings), and about `rediss://`
    /// [what it needs](crate#what-a-shared-store-means).
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    pub(crate) fn new(client: Client, address: Arc<str>, prefix: String, limits: Limits) -> Self {
        let (lines, places) = (Arc::new(Lines::new(client, limits)), Places::new());
        Self { shared: Arc::new(Shared { lines, places, address, prefix }) }
    }

    fn command(&self, name: &str, key: &str) -> Cmd {
        let mut command = Cmd::new();
        command.arg(name).arg(format!("{}{key}", self.shared.prefix));
        command
    }

    async fn asked_for(&self, key: &str) -> Result<Option<Bytes>, Trouble> {
        let Shared { lines, places, .. } = &*self.shared;
        match lines.ask(self.command("GET", key), places.to_get()?).await? {
            Value::BulkString(value) => Ok(Some(value.into())),
            Value::Nil => Ok(None),
            _ => Err(Trouble::NoValue),
        }
    }

    async fn kept(&self, key: &str, value: Bytes, keep_for: Duration) -> Result<(), Trouble> {
        let Shared { lines, places, .. } = &*self.shared;
        let place = places.to_put()?;
        let mut command = self.command("SET", key);
        command.arg(&value[..]).arg("PX").arg(milliseconds(keep_for));
        // The command has a copy.
        drop(value);
        lines.ask(command, place).await.map(drop)
    }

    fn error(&self, asked: &'static str, key: &str, trouble: Trouble) -> BoxError {
        RedisStoreError::new(Arc::clone(&self.shared.address), asked, key, trouble).into()
    }
}

impl Store for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, BoxError> {
        self.asked_for(key).await.map_err(|trouble| self.error("get", key, trouble))
    }

    async fn put(&self, key: &str, value: Bytes, keep_for: Duration) -> Result<(), BoxError> {
        self.kept(key, value, keep_for).await.map_err(|trouble| self.error("put", key, trouble))
    }
}

/// What Redis takes for a time to keep something for.
fn milliseconds(keep_for: Duration) -> u64 {
    keep_for.min(LONGEST).as_millis().try_into().unwrap_or(u64::MAX).max(1)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.shared.address)
            .field("prefix", &self.shared.prefix)
            .field("lines", &self.shared.lines)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_takes_any_time_to_keep() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_micros(999)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::MAX), 315_360_000_000);
    }

    #[test]
    fn it_goes_wherever_a_store_goes() {
        fn travels<T: Store + Clone + fmt::Debug>() {}
        travels::<RedisStore>();
    }
}
