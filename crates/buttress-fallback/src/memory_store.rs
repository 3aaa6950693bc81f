//! A store in this process.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use buttress_core::{BoxError, ConfigError};
use bytes::Bytes;
use moka::{Expiry, policy::EvictionPolicy, sync::Cache};

use crate::Store;

/// What an entry takes besides its key and its bytes: places in two maps and a queue, counts, and what is
/// lost between allocations.
const OVERHEAD: usize = 400;
/// What one entry may take of all the room, and what may be put before what is over the bound is
/// forgotten: one in so many. To make room for one entry many may have to go, which takes its time.
const PARTS: u64 = 16;
/// Less could hold next to nothing.
const LEAST: u64 = 64 << 10;
/// What one entry can be said to weigh.
const HEAVIEST: u64 = u32::MAX as u64;

/// A store in this process, bounded in bytes: what was neither stored nor served for longest goes
/// first.
///
/// Each process remembers for itself, and a new one nothing. Clones are the same store.
///
/// ```
/// use buttress_fallback::MemoryStore;
///
/// let store = MemoryStore::builder().max_bytes(16 << 20).build()?;
/// # Ok::<(), buttress_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    entries: Cache<String, Kept>,
    max_bytes: u64,
    /// What was put since what is over the bound was last forgotten.
    unswept: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Kept {
    value: Bytes,
    keep_for: Duration,
}

/// Builds a [`MemoryStore`].
#[derive(Debug, Clone)]
pub struct MemoryStoreBuilder {
    max_bytes: u64,
}

impl MemoryStore {
    /// A builder.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder { max_bytes: 64 << 20 }
    }
}

impl MemoryStoreBuilder {
    /// Keeps so many bytes, keys and what it takes to find them included. Default: 64 MiB.
    ///
    /// For moments it may be a sixteenth more, while what is over the bound is being forgotten; and more
    /// than that while many threads put at once, faster than one of them forgets. An answer that would
    /// take more than a sixteenth of it is not taken.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Builds the store.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is to be less room than 64 KiB.
    pub fn build(self) -> Result<MemoryStore, ConfigError> {
        if self.max_bytes < LEAST {
            return Err(ConfigError::new("max_bytes", self.max_bytes, format!("{LEAST} or more")));
        }
        let weight =
            |key: &String, kept: &Kept| u32::try_from(weight(key, &kept.value)).unwrap_or(u32::MAX);
        let entries = Cache::builder()
            .max_capacity(self.max_bytes)
            .weigher(weight)
            // What is asked for often is not what will be asked for in an outage.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(UntilOfNoUse)
            .build();
        Ok(MemoryStore { entries, max_bytes: self.max_bytes, unswept: Arc::default() })
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(self.entries.get(key).map(|kept| kept.value))
    }

    async fn put(&self, key: &str, value: Bytes, keep_for: Duration) -> Result<(), BoxError> {
        let weight = weight(key, &value);
        if weight > (self.max_bytes / PARTS).min(HEAVIEST) {
            return Err("the answer is too large for the store".into());
        }
        self.entries.insert(key.to_owned(), Kept { value, keep_for });
        // Left to itself the cache forgets what is over the bound after some hundred insertions, however
        // large they are.
        let unswept = self.unswept.fetch_add(weight, Ordering::Relaxed) + weight;
        if unswept > self.max_bytes / PARTS {
            self.unswept.store(0, Ordering::Relaxed);
            self.entries.run_pending_tasks();
        }
        Ok(())
    }
}

/// What an entry takes of the room.
fn weight(key: &str, value: &Bytes) -> u64 {
    let bytes = key.len().saturating_add(value.len()).saturating_add(OVERHEAD);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Each entry has a time of its own, from when it was put last.
struct UntilOfNoUse;

impl Expiry<String, Kept> for UntilOfNoUse {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.keep_for)
    }

    fn expire_after_update(
        &self,
        _: &String,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.keep_for)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("entries", &self.entries.entry_count())
            .field("bytes", &self.entries.weighted_size())
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
