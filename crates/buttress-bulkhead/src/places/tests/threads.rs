//! Random operations of real threads, which sleep until they are woken.

use std::sync::{Condvar, Mutex as Shelf};

use buttress_testkit::seeded;
use rand::{RngExt, rngs::StdRng};

use super::*;

const THREADS: usize = 4;
const EACH: usize = 250_000;
/// The most that the limit is set to.
const HIGHEST: usize = 6;
/// Far more than anyone waits; whoever was forgotten fails the test then, and does not hang it.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Where one waits until he is woken.
#[derive(Debug, Default)]
struct Bed {
    woken: Shelf<bool>,
    wakes: Condvar,
}

impl Bed {
    fn sleep(&self) {
        let woken = self.woken.lock().unwrap();
        let asleep = |woken: &mut bool| !*woken;
        let (mut woken, result) = self.wakes.wait_timeout_while(woken, FORGOTTEN, asleep).unwrap();
        assert!(!result.timed_out(), "nobody has woken this one");
        *woken = false;
    }
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.wakes.notify_one();
    }
}

struct Guest {
    waiter: Waiter,
    bed: Arc<Bed>,
}

/// One thread: the places it has taken, and those for which it waits, in the order it came for them.
struct Actor<'a> {
    places: &'a Places,
    // Counted by the threads themselves: the figures of the places are under test.
    inside: &'a AtomicUsize,
    held: usize,
    guests: Vec<Guest>,
    random: StdRng,
}

impl Actor<'_> {
    fn enters(&mut self) {
        self.held += 1;
        assert!(self.inside.fetch_add(1, Ordering::SeqCst) < HIGHEST, "over every limit");
    }

    fn leave(&mut self) {
        if self.held > 0 {
            self.held -= 1;
            self.inside.fetch_sub(1, Ordering::SeqCst);
            self.places.leave();
        }
    }

    fn join(&mut self) {
        let max_queue = self.random.random_range(1..9);
        match self.places.enter_or_queue(max_queue) {
            Joined::Entered => self.enters(),
            Joined::Queued(waiter) => self.guests.push(Guest { waiter, bed: Arc::default() }),
            Joined::Full(figures) => assert!(figures.queued >= max_queue),
        }
    }

    fn any_guest(&mut self) -> Option<usize> {
        let guests = self.guests.len();
        (guests > 0).then(|| self.random.random_range(0..guests))
    }

    fn is_served(&mut self, nth: usize) -> bool {
        let guest = &self.guests[nth];
        let waker = Waker::from(Arc::clone(&guest.bed));
        let served = self.places.takes(guest.waiter, &waker);
        if served {
            self.guests.remove(nth);
            self.enters();
        }
        served
    }

    /// Sleeps until this one has his place.
    fn wait_for(&mut self, nth: usize) {
        let bed = Arc::clone(&self.guests[nth].bed);
        while !self.is_served(nth) {
            bed.sleep();
        }
    }

    /// Waits for a place with nothing else in hand: whoever waits for the others must not keep what
    /// they wait for.
    fn wait(&mut self) {
        while self.held > 0 {
            self.leave();
        }
        while self.guests.len() > 1 {
            self.quit(self.guests.len() - 1);
        }
        if !self.guests.is_empty() {
            self.wait_for(0);
        }
    }

    fn quit(&mut self, nth: usize) {
        let guest = self.guests.remove(nth);
        self.places.quit(guest.waiter);
    }

    fn act(&mut self) {
        match self.random.random_range(0..1_000) {
            0..150 => {
                if self.places.enters() {
                    self.enters();
                }
            }
            150..400 => self.join(),
            400..600 => {
                if let Some(nth) = self.any_guest() {
                    self.is_served(nth);
                }
            }
            600..690 => {
                if let Some(nth) = self.any_guest() {
                    self.quit(nth);
                }
            }
            690..970 => self.leave(),
            970..980 => self.wait(),
            _ => self.places.change_limit(self.random.random_range(1..=HIGHEST)),
        }
    }

    /// Gives back what it has, and gets what it waits for.
    fn end(&mut self) {
        while self.held > 0 {
            self.leave();
        }
        while !self.guests.is_empty() {
            self.wait_for(0);
            self.leave();
        }
    }
}

/// A million operations by four threads, while the limit changes: no more are in than the highest
/// limit, and everyone who still waits at the end gets his place.
#[test]
fn nobody_is_forgotten_under_threads() {
    let places = Places::new(HIGHEST);
    let inside = AtomicUsize::new(0);
    let waited: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (places, inside) = (&places, &inside);
                scope.spawn(move || {
                    let random = seeded(&format!("nobody_is_forgotten_under_threads {n}"));
                    let mut actor = Actor { places, inside, held: 0, guests: Vec::new(), random };
                    for _ in 0..EACH {
                        actor.act();
                    }
                    let waited = actor.guests.len();
                    actor.end();
                    waited
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_empty(&places);
    assert_eq!(inside.load(Ordering::SeqCst), 0);
    let figures = places.figures();
    for _ in 0..figures.limit {
        assert!(places.enters());
    }
    assert!(!places.enters());
    assert!(figures.came > 10_000, "{figures:?} {waited:?}: the test tests nothing");
}
