//! What belongs to keys, in one bounded map.

mod ring;

use std::{
    borrow::Borrow,
    cell::Cell,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

use crate::ConfigError;

use self::ring::Ring;

/// A million keys with a small state each are some hundred megabytes.
const MOST_KEYS: usize = 1_000_000;

/// Whether what is kept for a key may be forgotten.
///
/// An `Arc` is needed while anyone but the map holds a clone of it, and beyond that if what is in it
/// says so; a type of your own around an `Arc` may decide otherwise.
pub trait Keep {
    /// Whether forgetting it would do harm: it is in use, or it knows something.
    ///
    /// Called only when another key needs a place, under the lock of the map: it should be quick, and
    /// must not use the map. The map itself holds one clone of a value, and makes further ones only
    /// for those who ask; none can ask while this is called, so an `Arc` whose strong count is 1 is in
    /// nobody's hands, and will be in nobody's before it is forgotten.
    fn is_needed(&self) -> bool;
}

impl<T: Keep + ?Sized> Keep for Arc<T> {
    fn is_needed(&self) -> bool {
        if Arc::strong_count(self) > 1 {
            return true;
        }
        // With the count seen to be 1, also what was done by those who let go of it.
        fence(Ordering::Acquire);
        (**self).is_needed()
    }
}

/// What belongs to one host, route or tenant each, for so many of them and no more.
///
/// When a new key comes and there is no place left, one is forgotten that is not
/// [needed](Keep::is_needed) and was not asked for of late (CLOCK). If none is found among the 64 that
/// are looked at, the new key's value is made and handed out all the same, but not kept; see
/// [`overflowed`](Self::overflowed).
///
/// Values are handed out as clones, so they are usually an [`Arc`]. Memory grows with the keys that
/// come, never beyond `max_keys` of them. Keys are hashed as in the standard library's map, with a
/// secret of this process: who chooses them can not make lookups slow.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// use buttress_core::{Keep, Keyed};
///
/// #[derive(Default)]
/// struct Failures(AtomicU32);
///
/// impl Keep for Failures {
///     fn is_needed(&self) -> bool {
///         self.0.load(Ordering::Relaxed) > 0
///     }
/// }
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let failures: Keyed<String, Arc<Failures>> = Keyed::new(1)?;
/// let of = |host: &str| failures.get_or_insert_with(host, |_host| Arc::default());
/// of("well.internal");
/// of("down.internal").0.fetch_add(1, Ordering::Relaxed);
/// of("other.internal");
/// assert!(failures.get("well.internal").is_none(), "forgotten: there was nothing to know of it");
/// assert!(failures.get("down.internal").is_some());
/// assert_eq!(failures.overflowed(), 1, "the third was not kept");
/// # Ok(())
/// # }
/// ```
pub struct Keyed<K, V> {
    shards: Box<[Shard<K, V>]>,
    hasher: RandomState,
    max_keys: usize,
    // Of all shards together, so that the bound is exact however the keys fall.
    kept: AtomicUsize,
    overflowed: AtomicU64,
}

struct Shard<K, V> {
    ring: RwLock<Ring<K, V>>,
    // Held while a value is made, when `ring` must not be.
    making: Mutex<()>,
}

impl<K, V> Keyed<K, V> {
    /// Keeps values for `max_keys` keys, from 1 to 1,000,000.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for `max_keys` if it is outside this range.
    pub fn new(max_keys: usize) -> Result<Self, ConfigError> {
        ConfigError::check_count("max_keys", max_keys, MOST_KEYS)?;
        let shards = (0..shards_for(max_keys))
            .map(|_| Shard { ring: RwLock::new(Ring::new()), making: Mutex::new(()) })
            .collect();
        Ok(Self {
            shards,
            hasher: RandomState::new(),
            max_keys,
            kept: AtomicUsize::new(0),
            overflowed: AtomicU64::new(0),
        })
    }

    /// How many keys are kept, at most [`max_keys`](Self::max_keys).
    pub fn len(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys are kept at most.
    pub fn max_keys(&self) -> usize {
        self.max_keys
    }

    /// How many values were handed out without being kept, because all that were looked at were
    /// needed, ever.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// What is kept, shard by shard, in no order.
    ///
    /// Not of one moment while others use the map. As long as you hold the values, they are held.
    pub fn entries(&self) -> Vec<(K, V)>
    where
        K: Clone,
        V: Clone,
    {
        let mut entries = Vec::with_capacity(self.len());
        for shard in &self.shards {
            entries.extend(shard.read().iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        entries
    }
}

impl<K: Hash + Eq, V: Clone + Keep> Keyed<K, V> {
    /// What is kept for this key.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).read().get(hash, key).cloned()
    }

    /// What is kept for this key, or else what `make` gives, which is kept from now on.
    ///
    /// To find one that is kept clones no key. Of several threads that ask for a new key at once, one
    /// makes its value and all get it, unless it can not be kept. Others wait for it only if they too
    /// want a new one, so `make` should be quick. It may use this map: nobody who makes waits for
    /// another who does. So what a `make` asks for may be made twice, and the first is kept for all.
    pub fn get_or_insert_with<Q>(&self, key: &Q, make: impl FnOnce(&K) -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.try_get_or_insert_with(key, make).unwrap_or_else(|not_kept| not_kept)
    }

    /// The same, telling apart what could not be kept.
    ///
    /// # Errors
    ///
    /// What `make` gave, if all that were looked at were needed, so that nobody else will know of it.
    pub fn try_get_or_insert_with<Q>(&self, key: &Q, make: impl FnOnce(&K) -> V) -> Result<V, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        if let Some(kept) = shard.read().get(hash, key) {
            return Ok(kept.clone());
        }
        let _turn = Turn::take(&shard.making);
        if let Some(kept) = shard.read().get(hash, key) {
            return Ok(kept.clone());
        }
        let key = key.to_owned();
        let value = make(&key);
        self.keep(hash, key, value)
    }

    fn keep(&self, hash: u64, key: K, value: V) -> Result<V, V> {
        let mut ring = self.shard(hash).write();
        // Made by one who was making something else and so did not wait.
        if let Some(kept) = ring.get(hash, &key) {
            return Ok(kept.clone());
        }
        let handed_out = value.clone();
        let more = |kept| (kept < self.max_keys).then_some(kept + 1);
        if self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            ring.push(hash, key, value);
            return Ok(handed_out);
        }
        let replaced = ring.replace(hash, key, value);
        // What is forgotten runs foreign code when it is dropped, which may look into the map. The turn
        // to make is still held: what it says comes before all that a next one of its key does.
        drop(ring);
        if replaced.is_err() {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            return Err(handed_out);
        }
        Ok(handed_out)
    }

    fn shard(&self, hash: u64) -> &Shard<K, V> {
        // The table inside goes by the lower bits and the uppermost seven.
        let middle = usize::try_from((hash >> 32) & 0xffff).unwrap_or(0);
        &self.shards[middle & (self.shards.len() - 1)]
    }
}

impl<K, V> fmt::Debug for Keyed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("len", &self.len())
            .field("max_keys", &self.max_keys)
            .field("overflowed", &self.overflowed())
            .finish_non_exhaustive()
    }
}

impl<K, V> Shard<K, V> {
    fn read(&self) -> RwLockReadGuard<'_, Ring<K, V>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring<K, V>> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A power of two: some for each core, but so that each has as many keys as one insertion looks at.
fn shards_for(max_keys: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let by_keys = 1 << (max_keys / ring::STEPS).max(1).ilog2();
    (4 * cores).next_power_of_two().min(64).min(by_keys)
}

/// The turn to make a value.
struct Turn<'a> {
    // None for one who makes already, and therefore waits for nobody.
    turn: Option<MutexGuard<'a, ()>>,
}

thread_local! {
    static MAKING: Cell<bool> = const { Cell::new(false) };
}

impl<'a> Turn<'a> {
    fn take(making: &'a Mutex<()>) -> Self {
        let turn = if MAKING.replace(true) { None } else { Some(making.lock()) };
        Self { turn: turn.map(|turn| turn.unwrap_or_else(PoisonError::into_inner)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            MAKING.set(false);
        }
    }
}
