//! A hundred thousand wait, most in vain.

use std::sync::Mutex as Shelf;

use buttress_testkit::seeded;
use rand::{RngExt, seq::SliceRandom};

use super::*;

/// Writes its name down when it is woken.
struct Name {
    name: usize,
    woken: Arc<Shelf<Vec<usize>>>,
}

impl Wake for Name {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap().push(self.name);
    }
}

/// What a storm of so many costs: how often the line looked at one who waits, and how many times it
/// was asked for something.
fn storm(size: usize) -> (usize, usize) {
    let mut random = seeded(&format!("storm {size}"));
    let places = taken(1);
    let woken = Arc::new(Shelf::new(Vec::new()));
    let mut asked = 0;
    let waiters: Vec<_> = (0..size)
        .map(|name| {
            asked += 2;
            let name = Name { name, woken: Arc::clone(&woken) };
            queue_with(&places, &Waker::from(Arc::new(name)))
        })
        .collect();
    assert_eq!(counted(&places), (1, size));

    // From anywhere, in no order.
    let mut names: Vec<_> = (0..size).collect();
    names.shuffle(&mut random);
    let leave = random.random_range(size / 2..size * 3 / 4);
    let mut stay = names.split_off(leave);
    for name in names {
        asked += 1;
        places.quit(waiters[name]);
    }
    assert_eq!(counted(&places), (1, stay.len()));
    assert!(woken.lock().unwrap().is_empty());

    stay.sort_unstable();
    for name in &stay {
        asked += 2;
        places.leave();
        assert!(places.takes(waiters[*name], Waker::noop()), "{name} is the first of those left");
    }
    assert_eq!(*woken.lock().unwrap(), stay, "each once, in the order they came");
    places.leave();
    assert_empty(&places);
    (places.line().looks(), asked)
}

/// Served in the order of their coming, whoever left in between; and ten times as many cost ten times
/// as much: whatever the line is asked for, it looks at no more than the one it is asked about, at
/// those before and behind him, and at one of these a second time.
#[test]
fn a_storm_is_served_in_order_and_at_no_more_cost_for_each() {
    for size in [100, 10_000, 100_000] {
        let (looks, asked) = storm(size);
        assert!(looks <= 4 * asked, "{looks} looks for {asked} requests in a storm of {size}");
    }
}

/// What a storm took is given back when it is over; the room that a bulkhead needs every day is not.
#[test]
fn gives_back_the_room_of_a_storm() {
    for (size, keeps) in [(1_000, true), (2_000, false)] {
        let places = taken(1);
        let waiters: Vec<_> = (0..size).map(|_| queue(&places)).collect();
        assert!(places.line().size().1 >= size);
        for waiter in waiters {
            places.quit(waiter);
        }
        let (len, room) = places.line().size();
        assert_eq!((len, room >= size, room == 0), (0, keeps, !keeps));
        // And they go on.
        let waiter = queue(&places);
        places.leave();
        assert!(places.takes(waiter, Waker::noop()));
        places.leave();
        assert_empty(&places);
    }
}

/// Room is not taken away from under those who still wait, or have not taken their place yet.
#[test]
fn keeps_the_room_while_anybody_needs_it() {
    let places = taken(1);
    let mut waiters: Vec<_> = (0..2_000).map(|_| queue(&places)).collect();
    let (first, last) = (waiters.remove(0), waiters.pop().unwrap());
    for waiter in waiters {
        places.quit(waiter);
    }
    places.leave();
    assert_eq!(places.line().size().0, 2);
    assert!(places.takes(first, Waker::noop()));
    places.leave();
    assert!(places.takes(last, Waker::noop()));
    assert_eq!(places.line().size(), (0, 0));
    places.leave();
    assert_empty(&places);
}
