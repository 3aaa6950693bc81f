//! The tier that serves what the dependency said last.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use buttress_core::{ConfigError, Key, Room};

use crate::{
    Store,
    memory::{Limits, Memory},
    shelf::Shelf,
    writer::Writer,
};

/// The tier that serves the last good answer to the same question, for
/// [`FallbackLayerBuilder::last_known_good`](crate::FallbackLayerBuilder::last_known_good).
///
/// # What is stored
///
/// Each answer that is judged a success, under its key, in place of one that is older. It is copied
/// while it passes, which never holds it up, and stored once it has come to its end: one that breaks
/// off, or that its reader leaves, is not. Neither is a failed answer, nor one that is itself degraded,
/// where its protocol can tell: under HTTP by a mark, which ordinary values have no place for.
///
/// # The key
///
/// It is asked of each call that goes well, and of each that fails. Whatever the answer depends on
/// belongs into it, or one tenant gets the answer of another: the tenant and the user first, then
/// the language, the encodings and whatever else the dependency looks at, as `Vary` says under HTTP.
/// Whoever says `None` of a call has its answer neither stored nor replaced. A key that names one
/// user is a [`Key::private`]; under HTTP, answers that are meant for one user are stored under
/// such a key only. Under HTTP the method belongs into it as well: what is answered to a HEAD is no answer
/// to a GET. The question may be in the body, which no key sees, as it always is under gRPC: such calls
/// need what tells them apart in their metadata, or have no key.
///
/// Layers of one name share their answers where they share a store, in this process or another; those of
/// different names do not, whatever their keys are.
///
/// # What it is not
///
/// A cache: the dependency is asked each time, and an answer that is there is not used before the
/// dependency has failed. Nor is anything refreshed in the background, or asked for in advance. A
/// cache goes inside, as a layer of its own.
pub struct LastKnownGood<S, F> {
    store: S,
    key: F,
    max_age: Duration,
    max_bytes: usize,
    max_bytes_at_once: usize,
    write_limit: Duration,
    max_writes: usize,
    clock: fn() -> SystemTime,
}

impl<S: Store, F> LastKnownGood<S, F> {
    /// Remembers in `store`, under what `key` makes of the view of the request.
    pub fn new<V, T>(store: S, key: F) -> Self
    where
        F: Fn(&V) -> Option<T>,
        T: Into<Key>,
    {
        Self {
            store,
            key,
            max_age: Duration::from_secs(60 * 60),
            max_bytes: 1 << 20,
            max_bytes_at_once: 64 << 20,
            write_limit: Duration::from_secs(1),
            max_writes: 64,
            clock: SystemTime::now,
        }
    }

    /// Serves nothing that is older. Default: one hour, in which most outages are over; what may be
    /// served for how long is for you to know.
    ///
    /// An answer is as old as its head, and under HTTP older by its `Age`. Between machines, ages are
    /// as right as their clocks are. `Duration::MAX` means that any age will do.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Stores no answer that takes more, head and body together, from 1 byte to 1 GiB. Default: 1 MiB,
    /// for each answer that is under way has a copy of so much at most.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Copies answers of so many bytes at the same time, all together, from 1 byte to 64 GiB; what comes above that
    /// passes without being copied. Default: 64 MiB. An answer is being copied for as long as its reader
    /// takes, and one that never ends for ever.
    pub fn max_bytes_at_once(mut self, bytes: usize) -> Self {
        self.max_bytes_at_once = bytes;
        self
    }

    /// Gives the store so long to take an answer. Default: 1 s; nobody waits for it.
    pub fn write_limit(mut self, limit: Duration) -> Self {
        self.write_limit = limit;
        self
    }

    /// Lets the store be at so many answers at once, from 1 to 1,000,000; what comes while it is, is not stored. Default:
    /// 64, so that a store that hangs does not fill the memory.
    pub fn max_writes(mut self, writes: usize) -> Self {
        self.max_writes = writes;
        self
    }

    /// Tells the time by this function, for tests. Default: [`SystemTime::now`].
    pub fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn build<V, T>(self, name: Arc<str>) -> Result<Memory<V>, ConfigError>
    where
        F: Fn(&V) -> Option<T> + Send + Sync + 'static,
        T: Into<Key>,
    {
        let Self { store, key, max_age, max_bytes, max_bytes_at_once, .. } = self;
        let Self { write_limit, max_writes, clock, .. } = self;
        ConfigError::check_not_zero("max_age", max_age)?;
        ConfigError::check_not_zero("write_limit", write_limit)?;
        ConfigError::check_count("max_bytes", max_bytes, 1 << 30)?;
        let most_at_once = usize::try_from(1_u64 << 36).unwrap_or(usize::MAX);
        ConfigError::check_count("max_bytes_at_once", max_bytes_at_once, most_at_once)?;
        ConfigError::check_count("max_writes", max_writes, 1_000_000)?;
        let store: Arc<dyn Shelf> = Arc::new(store);
        let key = move |view: &V| key(view).map(Into::into);
        let writer = Writer::new(name, Arc::clone(&store), write_limit, max_writes);
        let limits = Limits { max_age, max_bytes, room: Room::new(max_bytes_at_once), clock };
        Ok(Memory::new(key, store, writer, limits))
    }
}

impl<S: fmt::Debug, F> fmt::Debug for LastKnownGood<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastKnownGood")
            .field("store", &self.store)
            .field("max_age", &self.max_age)
            .field("max_bytes", &self.max_bytes)
            .field("max_bytes_at_once", &self.max_bytes_at_once)
            .field("write_limit", &self.write_limit)
            .field("max_writes", &self.max_writes)
            .finish_non_exhaustive()
    }
}
