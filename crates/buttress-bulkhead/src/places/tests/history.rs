//! Random histories, compared with the naive places after every step.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::{
    naive::{Asked, Naive},
    *,
};

#[derive(Debug, Clone, Copy)]
enum Step {
    TryEnter,
    Join {
        max_queue: usize,
    },
    /// Of one of those who wait or were served, counted from the first who came.
    Poll(usize),
    Quit(usize),
    Leave,
    SetLimit(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let max_queue = prop_oneof![0..6_usize, Just(usize::MAX)];
    let step = prop_oneof![
        2 => Just(Step::TryEnter),
        5 => max_queue.prop_map(|max_queue| Step::Join { max_queue }),
        5 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Quit),
        4 => Just(Step::Leave),
        2 => (1..6_usize).prop_map(Step::SetLimit),
    ];
    vec(step, 1..120)
}

/// One who waits, or was given a place and did not take it yet.
struct Guest {
    waiter: Waiter,
    bell: Option<Arc<Bell>>,
}

struct History {
    places: Places,
    naive: Naive,
    guests: BTreeMap<usize, Guest>,
    names: usize,
    /// The places that are taken, and not only given.
    held: usize,
}

impl History {
    fn new(limit: usize) -> Self {
        let (places, naive) = (Places::new(limit), Naive::new(limit));
        Self { places, naive, guests: BTreeMap::new(), names: 0, held: 0 }
    }

    fn name(&self, nth: usize) -> Option<usize> {
        self.guests.keys().nth(nth.checked_rem(self.guests.len())?).copied()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::TryEnter => {
                let entered = self.places.enters();
                assert_eq!(entered, self.naive.try_enter());
                self.held += usize::from(entered);
            }
            Step::Join { max_queue } => self.join(max_queue),
            Step::Poll(nth) => {
                if let Some(name) = self.name(nth) {
                    self.poll(name);
                }
            }
            Step::Quit(nth) => {
                if let Some(name) = self.name(nth) {
                    self.quit(name);
                }
            }
            Step::Leave => {
                if self.held > 0 {
                    self.held -= 1;
                    self.places.leave();
                    self.naive.leave();
                }
            }
            Step::SetLimit(limit) => {
                let before = self.places.figures();
                self.places.change_limit(limit);
                self.naive.set_limit(limit);
                let after = self.places.figures();
                let room = limit.saturating_sub(before.in_flight);
                let let_in = room.min(before.queued);
                assert_eq!(after.in_flight - before.in_flight, let_in, "as many as places came");
                assert_eq!(after.left, before.left, "no place is taken away");
            }
        }
    }

    fn join(&mut self, max_queue: usize) {
        self.names += 1;
        let asked = match self.places.enter_or_queue(max_queue) {
            Joined::Entered => {
                self.held += 1;
                Asked::Entered
            }
            Joined::Queued(waiter) => {
                self.guests.insert(self.names, Guest { waiter, bell: None });
                Asked::Queued
            }
            Joined::Full(figures) => {
                assert_eq!(figures, self.places.figures(), "refused by what is true");
                Asked::Full
            }
        };
        assert_eq!(asked, self.naive.enter_or_queue(self.names, max_queue));
    }

    /// Each poll comes with another waker: the last one counts, and none is kept beyond it.
    fn poll(&mut self, name: usize) {
        let Some(guest) = self.guests.get_mut(&name) else { return };
        let (bell, waker) = Bell::new();
        let served = self.places.takes(guest.waiter, &waker);
        drop(waker);
        assert_eq!(served, self.naive.is_served(name));
        assert_eq!(Arc::strong_count(&bell), 2 - usize::from(served));
        if let Some(former) = guest.bell.replace(bell) {
            assert_eq!(Arc::strong_count(&former), 1, "the former waker is dropped");
        }
        if served {
            self.guests.remove(&name);
            self.held += 1;
        }
    }

    fn quit(&mut self, name: usize) {
        let Some(guest) = self.guests.remove(&name) else { return };
        self.places.quit(guest.waiter);
        self.naive.quit(name);
        if let Some(bell) = guest.bell {
            assert_eq!(Arc::strong_count(&bell), 1, "his waker is dropped");
        }
    }

    /// Everything is as in the naive one, and the laws hold.
    fn check(&self, before: Figures) {
        let (figures, naive) = (self.places.figures(), &self.naive);
        assert_eq!((figures.limit, figures.in_flight), (naive.limit, naive.in_flight));
        assert_eq!(figures.queued, naive.queue.len());
        assert_eq!((figures.came, figures.left), (naive.came, naive.left));
        for (name, guest) in &self.guests {
            let served = self.places.line().is_served(guest.waiter.0);
            assert_eq!(served, naive.served.contains(name), "guest {name}");
            let rung = guest.bell.as_ref().map(|bell| bell.rung());
            assert_eq!(rung, naive.woken.get(name).copied(), "guest {name}");
            if let Some(bell) = &guest.bell {
                let kept = Arc::strong_count(bell) > 1;
                assert_eq!(kept, !served, "who was woken is not held on to");
            }
        }
        assert_eq!(self.places.line().is_empty(), figures.queued == 0);

        let rose = figures.in_flight > before.in_flight;
        assert!(!rose || figures.in_flight <= figures.limit, "came in over the limit");
        assert!(figures.queued == 0 || figures.in_flight >= figures.limit, "waits beside room");
        assert_eq!(figures.in_flight, self.held + naive.served.len(), "who left holds no place");
    }

    /// Everyone goes, the last who waits first, and all is as it was.
    fn end(mut self) {
        while let Some((&name, _)) = self.guests.last_key_value() {
            self.quit(name);
        }
        for _ in 0..self.held {
            self.places.leave();
        }
        assert_empty(&self.places);
        for _ in 0..self.naive.limit {
            assert!(self.places.enters(), "all places are free");
        }
        assert!(!self.places.enters());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// After every step of any history: the same figures, the same are served in the same order, the
    /// same wakers were woken as often; and at the end all places are back.
    #[test]
    fn places_equal_naive_ones(limit in 1..5_usize, steps in steps()) {
        let mut history = History::new(limit);
        for step in steps {
            let before = history.places.figures();
            history.take(step);
            history.check(before);
        }
        history.end();
    }
}
