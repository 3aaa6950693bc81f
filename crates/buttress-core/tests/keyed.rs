//! What belongs to keys: bounded, and what is needed stays.
#![cfg(feature = "keyed")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use buttress_core::{Keep, Keyed};

/// A value that is needed on demand.
#[derive(Debug, Default)]
struct State(AtomicBool);

impl State {
    fn need(&self, needed: bool) {
        self.0.store(needed, Ordering::Relaxed);
    }
}

impl Keep for State {
    fn is_needed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn states(max_keys: usize) -> Keyed<String, Arc<State>> {
    Keyed::new(max_keys).unwrap()
}

fn of(states: &Keyed<String, Arc<State>>, key: &str) -> Arc<State> {
    states.get_or_insert_with(key, |_key| Arc::default())
}

#[test]
fn a_key_has_one_value() {
    let states = states(10);
    let made = of(&states, "a");
    assert!(Arc::ptr_eq(&made, &of(&states, "a")));
    assert!(Arc::ptr_eq(&made, &states.get("a").unwrap()));
    assert!(!Arc::ptr_eq(&made, &of(&states, "b")));
    assert!(states.get("c").is_none());
    assert_eq!((states.len(), states.max_keys(), states.overflowed()), (2, 10, 0));
}

#[test]
fn what_is_needed_stays_and_no_more_are_kept_than_that() {
    for max_keys in [1, 2, 10, 1_000] {
        let states = states(max_keys);
        for key in 0..max_keys {
            of(&states, &key.to_string()).need(true);
        }
        for key in max_keys..3 * max_keys {
            of(&states, &key.to_string());
            assert_eq!(states.len(), max_keys);
        }
        assert!((0..max_keys).all(|key| states.get(&key.to_string()).is_some()));
        assert_eq!(states.overflowed(), 2 * max_keys as u64);
    }
}

#[test]
fn only_counts_in_range() {
    for wrong in [0, 1_000_001] {
        let error = Keyed::<String, Arc<State>>::new(wrong).unwrap_err();
        assert_eq!(error.setting(), "max_keys");
    }
    assert!(Keyed::<String, Arc<State>>::new(1_000_000).is_ok());
}
