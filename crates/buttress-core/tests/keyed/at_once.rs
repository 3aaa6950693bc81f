//! Several threads at once, and a map that is used by what it calls.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use buttress_core::{Keep, Keyed};

use super::{State, States, of};

/// Fails, instead of hanging, if `work` waits for itself.
fn ends(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(20)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it waits for itself"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => worker.join().unwrap(),
    }
}

#[test]
fn of_those_who_ask_for_a_new_key_at_once_one_makes_it() {
    const THREADS: usize = 4;
    let states = States::new(1_000).unwrap();
    for key in 0..200 {
        let made = AtomicUsize::new(0);
        let start = Barrier::new(THREADS);
        let ask = || {
            start.wait();
            states.get_or_insert_with(&key, |_key| {
                made.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
                Arc::default()
            })
        };
        let all: Vec<Arc<State>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.into_inner(), 1);
        assert!(all.iter().all(|state| Arc::ptr_eq(state, &all[0])));
    }
}

#[test]
fn a_flood_from_all_sides_is_bounded() {
    for max_keys in [1, 10, 1_000] {
        let states = States::new(max_keys).unwrap();
        let needed: Vec<_> = (0..max_keys / 10).map(|key| of(&states, key)).collect();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for first in [1_000_000, 2_000_000, 2_010_000] {
                let (states, over) = (&states, &over);
                scope.spawn(move || {
                    for key in first..first + 20_000 {
                        of(states, key);
                        if states.len() > max_keys {
                            over.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
            for _ in 0..100 {
                assert!(states.entries().len() <= max_keys);
            }
        });
        assert!(!over.into_inner());
        assert_eq!((states.len(), states.entries().len()), (max_keys, max_keys));
        for (key, state) in needed.iter().enumerate() {
            assert!(Arc::ptr_eq(state, &states.get(&key).unwrap()));
        }
    }
}

/// Also for a key in the same shard, and for the very key.
#[test]
fn a_make_may_use_the_map() {
    ends(|| {
        let states = States::new(10).unwrap();
        let mut inner = None;
        let outer = states.get_or_insert_with(&1, |_key| {
            assert!(states.get(&1).is_none());
            of(&states, 2);
            inner = Some(of(&states, 1));
            assert_eq!(states.entries().len(), 2);
            Arc::default()
        });
        assert!(Arc::ptr_eq(&outer, &inner.unwrap()), "the first that is made is kept");
        assert_eq!(states.len(), 2);
    });
}

/// Each makes what the other asks for while making.
#[test]
fn two_who_make_do_not_wait_for_each_other() {
    ends(|| {
        let maps = [States::new(10).unwrap(), States::new(10).unwrap()];
        let both_make = Barrier::new(2);
        thread::scope(|scope| {
            for (own, others) in [(0, 1), (1, 0)] {
                let (maps, both_make) = (&maps, &both_make);
                scope.spawn(move || {
                    maps[own].get_or_insert_with(&own, |_key| {
                        both_make.wait();
                        of(&maps[others], others);
                        Arc::default()
                    });
                });
            }
        });
        assert!(maps.iter().all(|map| map.len() == 1));
    });
}

#[test]
fn a_make_that_panics_leaves_its_turn() {
    ends(|| {
        let states = Arc::new(States::new(10).unwrap());
        let panics = || states.get_or_insert_with(&1, |_key| panic!("a make of a test"));
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert!(states.is_empty());
        let made = of(&states, 1);
        let elsewhere = Arc::clone(&states);
        let same = thread::spawn(move || of(&elsewhere, 1)).join().unwrap();
        assert!(Arc::ptr_eq(&made, &same));
        // And this thread waits for its turn again.
        let twice = AtomicUsize::new(0);
        let start = Barrier::new(2);
        let ask = || {
            start.wait();
            states.get_or_insert_with(&2, |_key| {
                twice.fetch_add(1, Ordering::Relaxed);
                (0..1_000).for_each(|_| thread::yield_now());
                Arc::default()
            });
        };
        thread::scope(|scope| {
            scope.spawn(ask);
            ask();
        });
        assert_eq!(twice.into_inner(), 1);
    });
}

#[test]
fn a_value_that_panics_when_asked_does_not_break_the_map() {
    #[derive(Clone)]
    struct Panics(Arc<AtomicBool>);
    impl Keep for Panics {
        fn is_needed(&self) -> bool {
            assert!(!self.0.swap(false, Ordering::Relaxed), "a value of a test");
            false
        }
    }
    let map: Keyed<u32, Panics> = Keyed::new(1).unwrap();
    let ask = |key: u32| map.get_or_insert_with(&key, |_key| Panics(Arc::new(true.into())));
    ask(1);
    catch_unwind(AssertUnwindSafe(|| ask(2))).map(drop).unwrap_err();
    assert!(map.get(&1).is_some() && map.get(&2).is_none());
    assert_eq!((map.len(), map.entries().len()), (1, 1));
    ask(2);
    assert!(map.get(&1).is_none() && map.get(&2).is_some());
}

/// What is forgotten is dropped when the map is no longer locked.
#[test]
fn a_value_may_use_the_map_when_it_is_dropped() {
    static MAP: OnceLock<Keyed<u32, Arc<Looks>>> = OnceLock::new();
    static LOOKED: AtomicUsize = AtomicUsize::new(0);
    struct Looks;
    impl Keep for Looks {
        fn is_needed(&self) -> bool {
            false
        }
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            assert_eq!(MAP.get().unwrap().entries().len(), 1);
            LOOKED.fetch_add(1, Ordering::Relaxed);
        }
    }
    ends(|| {
        let map = MAP.get_or_init(|| Keyed::new(1).unwrap());
        map.get_or_insert_with(&1, |_key| Arc::new(Looks));
        map.get_or_insert_with(&2, |_key| Arc::new(Looks));
        assert_eq!(LOOKED.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn it_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<States<String>>();
}
