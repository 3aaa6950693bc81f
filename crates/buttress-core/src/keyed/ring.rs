//! What one shard keeps, and what it forgets first: CLOCK, F. J. Corbató, "A Paging Experiment with
//! the Multics System" (1968).

use std::{
    borrow::Borrow,
    mem,
    sync::atomic::{AtomicBool, Ordering},
};

use hashbrown::HashTable;

use super::Keep;

/// So many places are looked at for one that may be forgotten, however many there are.
pub(super) const STEPS: usize = 64;

pub(super) struct Ring<K, V> {
    // Where in `places` a key is.
    index: HashTable<usize>,
    places: Vec<Place<K, V>>,
    hand: usize,
}

struct Place<K, V> {
    // Kept, so that the table grows without calling the key's own code.
    hash: u64,
    key: K,
    value: V,
    // Whether it was asked for since the hand last passed.
    touched: AtomicBool,
}

impl<K, V> Ring<K, V> {
    pub(super) const fn new() -> Self {
        Self { index: HashTable::new(), places: Vec::new(), hand: 0 }
    }

    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let at = self.index.find(hash, |&at| {
            let place = &self.places[at];
            place.hash == hash && place.key.borrow() == key
        })?;
        let place = &self.places[*at];
        // Read first: all who ask for the same key would otherwise write to the same cache line.
        if !place.touched.load(Ordering::Relaxed) {
            place.touched.store(true, Ordering::Relaxed);
        }
        Some(&place.value)
    }

    /// Keeps one more, whose key must not be kept yet.
    pub(super) fn push(&mut self, hash: u64, key: K, value: V) {
        let at = self.places.len();
        self.places.push(Place { hash, key, value, touched: AtomicBool::new(false) });
        self.index_as(hash, at);
    }

    /// Keeps this, whose key must not be kept yet, in the place of another, which is returned; or
    /// returns it, if none was found that may be forgotten.
    pub(super) fn replace(&mut self, hash: u64, key: K, value: V) -> Result<(K, V), (K, V)>
    where
        V: Keep,
    {
        let Some(at) = self.forgettable() else {
            return Err((key, value));
        };
        let new = Place { hash, key, value, touched: AtomicBool::new(false) };
        let old = mem::replace(&mut self.places[at], new);
        if let Ok(entry) = self.index.find_entry(old.hash, |&other| other == at) {
            entry.remove();
        }
        self.index_as(hash, at);
        Ok((old.key, old.value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.iter().map(|place| (&place.key, &place.value))
    }

    fn index_as(&mut self, hash: u64, at: usize) {
        self.index.insert_unique(hash, at, |&other| self.places[other].hash);
    }

    /// One that is not needed, and moves the hand on to behind it.
    fn forgettable(&mut self) -> Option<usize>
    where
        V: Keep,
    {
        let len = self.places.len();
        let mut touched = None;
        for _ in 0..STEPS.min(len) {
            let at = self.hand;
            self.hand = (at + 1) % len;
            let place = &mut self.places[at];
            let was_touched = mem::take(place.touched.get_mut());
            if place.value.is_needed() {
                continue;
            }
            if !was_touched {
                return Some(at);
            }
            touched = touched.or(Some(at));
        }
        // All had been asked for, so the first that was met goes, as it would in a second round: a new
        // key is not refused while there is one to forget.
        if let Some(at) = touched {
            self.hand = (at + 1) % len;
        }
        touched
    }
}
