//! What belongs to keys: bounded, and what is needed stays.
#![cfg(feature = "keyed")]

mod at_once;
mod laws;

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use buttress_core::{Keep, Keyed};

/// A value that is needed when told to be.
#[derive(Debug, Default)]
struct State {
    needed: AtomicBool,
}

impl State {
    fn need(&self, needed: bool) {
        self.needed.store(needed, Ordering::Relaxed);
    }
}

impl Keep for State {
    fn is_needed(&self) -> bool {
        self.needed.load(Ordering::Relaxed)
    }
}

type States<K> = Keyed<K, Arc<State>>;

fn of(states: &States<usize>, key: usize) -> Arc<State> {
    states.get_or_insert_with(&key, |_key| Arc::default())
}

#[test]
fn a_key_has_one_value() {
    let states = States::new(10).unwrap();
    let made = of(&states, 1);
    assert!(Arc::ptr_eq(&made, &of(&states, 1)));
    assert!(Arc::ptr_eq(&made, &states.get(&1).unwrap()));
    assert!(!Arc::ptr_eq(&made, &of(&states, 2)));
    assert!(states.get(&3).is_none());
    assert_eq!((states.len(), states.max_keys(), states.overflowed()), (2, 10, 0));
    let mut entries = states.entries();
    entries.sort_by_key(|&(key, _)| key);
    assert!(matches!(&entries[..], [(1, first), (2, _)] if Arc::ptr_eq(first, &made)));
}

/// However the keys fall into the shards.
#[test]
fn so_many_are_kept_and_no_more() {
    for max_keys in [1, 2, 127, 128, 1_000, 1_001, 10_000] {
        let states = States::new(max_keys).unwrap();
        assert!(states.is_empty());
        for key in 0..3 * max_keys {
            of(&states, key);
            assert_eq!(states.len(), max_keys.min(key + 1));
            assert!(states.get(&key).is_some(), "the new one is kept");
        }
        assert_eq!(states.entries().len(), max_keys);
        assert_eq!(states.overflowed(), 0);
    }
}

#[test]
fn what_is_needed_stays() {
    for max_keys in [1, 2, 10, 1_000] {
        let states = States::new(max_keys).unwrap();
        let needed: Vec<_> = (0..max_keys).map(|key| of(&states, key)).collect();
        for state in &needed {
            state.need(true);
        }
        for key in max_keys..3 * max_keys {
            let handed_out = of(&states, key);
            assert!(states.get(&key).is_none());
            assert_eq!(Arc::strong_count(&handed_out), 1, "the map has let go of it");
            assert_eq!(states.len(), max_keys);
        }
        let kept = |key: usize| Arc::ptr_eq(&states.get(&key).unwrap(), &needed[key]);
        assert!((0..max_keys).all(kept));
        assert_eq!(states.overflowed(), 2 * max_keys as u64);
    }
}

#[test]
fn a_flood_of_keys_leaves_what_is_needed() {
    for (max_keys, needed) in [(120, 100), (1_000, 100), (1_000, 500)] {
        let states = States::new(max_keys).unwrap();
        // Needed ones spread, as they are when they are those that fail.
        let is_needed = |key: usize| {
            key.is_multiple_of(max_keys / needed) && key / (max_keys / needed) < needed
        };
        for key in 0..max_keys {
            of(&states, key).need(is_needed(key));
        }
        for key in max_keys..100_000 {
            of(&states, key);
        }
        assert!((0..max_keys).filter(|&key| is_needed(key)).all(|key| states.get(&key).is_some()));
        assert_eq!(states.len(), max_keys);
    }
}

/// One insertion looks at 64 places and the next goes on from there, so the one among 120 is found.
#[test]
fn what_may_be_forgotten_is_found_in_time() {
    let states = States::new(120).unwrap();
    for key in 0..120 {
        of(&states, key).need(key != 119);
    }
    let kept = |key| {
        of(&states, key);
        states.get(&key).is_some()
    };
    assert!((120..122).any(kept));
    assert!(states.get(&119).is_none());
}

/// As long as anyone but the map has the value.
#[test]
fn what_is_held_is_needed() {
    let states = States::new(1).unwrap();
    let held = of(&states, 1);
    of(&states, 2);
    assert!(Arc::ptr_eq(&held, &of(&states, 1)));
    assert_eq!((Arc::strong_count(&held), states.overflowed()), (2, 1), "one of them is the map's");
    let weak: Weak<State> = Arc::downgrade(&held);
    drop(held);
    assert_eq!(weak.strong_count(), 1);
    of(&states, 3);
    assert_eq!(weak.strong_count(), 0);
    assert!(states.get(&3).is_some());
}

#[test]
fn what_was_asked_for_of_late_is_forgotten_last() {
    let states = States::new(10).unwrap();
    for key in 0..10 {
        of(&states, key);
    }
    for key in 10..1_000 {
        drop(states.get(&3).expect("asked for between any two new ones"));
        of(&states, key);
    }
    assert_eq!(states.overflowed(), 0);
}

/// Nor does a new key's value go before those that were there, when all were asked for.
#[test]
fn a_new_key_is_not_the_first_to_go() {
    let states = States::new(10).unwrap();
    for key in 0..10 {
        of(&states, key);
    }
    for key in 0..10 {
        states.get(&key).unwrap();
    }
    of(&states, 10);
    of(&states, 11);
    assert!(states.get(&10).is_some() && states.get(&11).is_some());
}

#[test]
fn only_a_new_key_is_cloned() {
    #[derive(PartialEq, Eq, Hash)]
    struct Key(Arc<str>);
    static CLONES: AtomicUsize = AtomicUsize::new(0);
    impl Clone for Key {
        fn clone(&self) -> Self {
            CLONES.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(&self.0))
        }
    }
    let states = States::new(2).unwrap();
    let key = Key("a".into());
    for _ in 0..3 {
        states.get_or_insert_with(&key, |_key| Arc::default());
        states.get(&key).unwrap();
    }
    assert_eq!(CLONES.load(Ordering::Relaxed), 1);
}

#[test]
fn memory_comes_with_the_keys() {
    let counted = allocation_counter::measure(|| {
        let states = States::<usize>::new(1_000_000).unwrap();
        assert_eq!(states.max_keys(), 1_000_000);
    });
    assert!(counted.bytes_max < 16 * 1024, "{} bytes", counted.bytes_max);

    let states: States<String> = States::new(1_000).unwrap();
    let ask = || drop(states.get_or_insert_with("a key", |_key| Arc::default()));
    ask();
    assert_eq!(allocation_counter::measure(ask).count_total, 0, "of one that is kept");
}

/// What is forgotten leaves nothing behind.
#[test]
fn a_flood_of_keys_takes_no_memory() {
    let states = States::new(100).unwrap();
    let mut keys = 0..;
    let mut flood = |count| keys.by_ref().take(count).for_each(|key| drop(of(&states, key)));
    flood(10_000);
    let counted = allocation_counter::measure(|| flood(100_000));
    assert!(counted.bytes_current < 16 * 1024, "{} bytes", counted.bytes_current);
}

/// However many there are, so that a new key costs the same when all are needed.
#[test]
fn a_new_key_asks_so_many_and_no_more() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    #[derive(Clone)]
    struct Counts;
    impl Keep for Counts {
        fn is_needed(&self) -> bool {
            ASKED.fetch_add(1, Ordering::Relaxed);
            true
        }
    }
    let map = Keyed::new(1_000).unwrap();
    for key in 0..1_100 {
        map.get_or_insert_with(&key, |_key| Counts);
    }
    assert_eq!((map.overflowed(), ASKED.load(Ordering::Relaxed)), (100, 100 * 64));
}

/// Whatever their own `Hash` is worth.
#[test]
fn keys_of_one_hash_are_told_apart() {
    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Key(u32);
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _state: &mut H) {}
    }
    let states = States::new(10).unwrap();
    for key in (0..30).map(Key) {
        let made = states.get_or_insert_with(&key, |_key| Arc::default());
        assert!(Arc::ptr_eq(&made, &states.get(&key).unwrap()));
    }
    let entries = states.entries();
    assert!(entries.iter().all(|(key, state)| Arc::ptr_eq(state, &states.get(key).unwrap())));
    assert_eq!(entries.len(), 10);
}

#[test]
fn only_counts_in_range() {
    for wrong in [0, 1_000_001] {
        let error = States::<usize>::new(wrong).unwrap_err();
        assert_eq!(error.setting(), "max_keys");
    }
    assert!(States::<usize>::new(1_000_000).is_ok());
}
