//! Wakers are foreign code: they panic, and they come back to the places that woke them.

use std::{panic::resume_unwind, sync::Weak};

use super::*;

/// Panics when it is to wake.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        // In silence: a panic in a panic is reported at length.
        resume_unwind(Box::new("the waker was told to panic"));
    }
}

/// Runs this on the places when it wakes.
struct Back {
    places: Weak<Places>,
    wakes: fn(&Places),
}

impl Wake for Back {
    fn wake(self: Arc<Self>) {
        (self.wakes)(&self.places.upgrade().unwrap());
    }
}

/// Runs this on the places when the last of it is dropped.
struct Parting {
    places: Weak<Places>,
    drops: fn(&Places),
}

impl Wake for Parting {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Parting {
    fn drop(&mut self) {
        (self.drops)(&self.places.upgrade().unwrap());
    }
}

/// Queues one more, whose waker panics or counts.
fn queue_one(places: &Places, panics: bool) -> (Waiter, Arc<Bell>) {
    let (bell, waker) = Bell::new();
    let waker = if panics { Waker::from(Arc::new(Bomb)) } else { waker };
    (queue_with(places, &waker), bell)
}

/// Where many places come at once, all are given to those who wait and all are woken, however many
/// wakers among them panic; the first of these panics reaches whoever brought the places.
#[test]
fn wakers_that_panic_stop_nobody() {
    for bombs in [vec![0], vec![2], vec![4], vec![0, 1], vec![1, 3, 4], vec![0, 1, 2, 3, 4]] {
        let places = taken(1);
        let guests = [0, 1, 2, 3, 4].map(|n| queue_one(&places, bombs.contains(&n)));
        catch_unwind(AssertUnwindSafe(|| places.change_limit(6))).expect_err("a waker panics");
        assert!(!places.line.is_poisoned());
        assert_eq!(counted(&places), (6, 0));
        for (n, (waiter, bell)) in guests.into_iter().enumerate() {
            assert_eq!(bell.rung(), usize::from(!bombs.contains(&n)), "{n} of {bombs:?}");
            assert!(places.takes(waiter, Waker::noop()));
        }
        for _ in 0..6 {
            places.leave();
        }
        assert_empty(&places);
    }
}

/// One place that goes from waker to waker, which all panic: by leaving, and by quitting with a place
/// that was not taken.
#[test]
fn a_waker_that_panics_loses_no_place() {
    let places = taken(1);
    let [first, second, last] = [true, true, false].map(|panics| queue_one(&places, panics));
    catch_unwind(AssertUnwindSafe(|| places.leave())).expect_err("the first panics");
    catch_unwind(AssertUnwindSafe(|| places.quit(first.0))).expect_err("the second panics");
    assert_eq!(counted(&places), (1, 1));
    assert!(places.takes(second.0, Waker::noop()));
    places.leave();
    assert_eq!(last.1.rung(), 1);
    assert!(places.takes(last.0, Waker::noop()));
    places.leave();
    assert_empty(&places);
}

/// What a waker does to the places that wake it, it does as anyone else: nothing is locked then.
#[test]
fn a_waker_may_come_back_to_the_places() {
    let acts: [fn(&Places); 6] = [
        |places| assert!(!places.enters(), "it is full"),
        |places| assert!(matches!(places.enter_or_queue(1), Joined::Full(_))),
        |places| {
            let waiter = queue(places);
            assert!(!places.takes(waiter, Waker::noop()));
            places.quit(waiter);
        },
        |places| {
            places.leave();
            assert!(!places.enters(), "the next one has it");
        },
        |places| places.change_limit(1),
        |places| assert_eq!(places.figures().limit, 1),
    ];
    for (n, act) in acts.into_iter().enumerate() {
        must_end(move || {
            let places = Arc::new(taken(1));
            let back = Back { places: Arc::downgrade(&places), wakes: act };
            let first = queue_with(&places, &Waker::from(Arc::new(back)));
            let bells: Vec<_> = (0..3)
                .map(|_| {
                    let (bell, waker) = Bell::new();
                    (queue_with(&places, &waker), bell)
                })
                .collect();
            places.leave();
            assert!(places.takes(first, Waker::noop()), "act {n}");
            for (waiter, bell) in bells {
                if bell.rung() == 0 {
                    places.leave();
                }
                assert_eq!(bell.rung(), 1, "act {n}");
                assert!(places.takes(waiter, Waker::noop()), "act {n}");
            }
            while places.figures().in_flight > 0 {
                places.leave();
            }
            assert_empty(&places);
        });
    }
}

/// The same where a waker is dropped: because another took its place, because its waiter left, or
/// because he was served and it has woken.
#[test]
fn a_waker_may_come_back_when_it_is_dropped() {
    let acts: [fn(&Places); 3] = [
        |places| assert!(!places.enters()),
        |places| {
            let waiter = queue(places);
            assert!(!places.takes(waiter, Waker::noop()));
            places.quit(waiter);
        },
        |places| places.change_limit(1),
    ];
    let ends: [fn(&Places, Waiter); 3] = [
        |places, waiter| {
            assert!(!places.takes(waiter, Waker::noop()));
            places.quit(waiter);
        },
        |places, waiter| places.quit(waiter),
        |places, waiter| {
            places.leave();
            assert!(places.takes(waiter, Waker::noop()));
        },
    ];
    for act in acts {
        for end in ends {
            must_end(move || {
                let places = Arc::new(taken(1));
                let parting = Parting { places: Arc::downgrade(&places), drops: act };
                let waiter = queue_with(&places, &Waker::from(Arc::new(parting)));
                end(&places, waiter);
                places.leave();
                assert_empty(&places);
            });
        }
    }
}
