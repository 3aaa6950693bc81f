//! What is of interest only while the circuit is not closed, and how its state changes.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::Waker,
    time::Duration,
};

use buttress_core::{
    CircuitState::{self, Closed, HalfOpen, Open},
    Trip,
};
use tokio::time::Instant;

use super::{Circuit, Ordering, Word};
use crate::{
    probes::{Due, Probes},
    window::Counts,
};

/// What is of interest only while the circuit is not closed; under the lock.
#[derive(Debug)]
pub(super) struct Book {
    /// When the open time ends; `None` is never.
    pub(super) open_until: Option<Instant>,
    /// Why it last opened.
    pub(super) why: Trip,
    /// Whether an operator holds it open or closed.
    pub(super) forced: bool,
    /// When it last changed.
    pub(super) since: Instant,
    /// What was in the window when it last opened.
    pub(super) at_trip: Counts,
    /// How often in a row it was half-open in vain.
    pub(super) in_vain: u32,
    pub(super) probes: Probes,
    pub(super) opened: u64,
    pub(super) rejected: u64,
    pub(super) untold: VecDeque<Change>,
    pub(super) telling: bool,
    /// Those who wait for calls to be let in again; none unless `poll_ready` is to.
    pub(super) waiting: Option<Box<Waiting>>,
    /// Whether something has happened since they looked.
    pub(super) stirred: bool,
}

/// Those who wait for calls to be let in again.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    wakers: BTreeMap<u64, Waker>,
    /// How many ever waited: numbers the next one.
    came: u64,
}

/// A change of state that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: CircuitState,
    pub(crate) to: CircuitState,
    /// The generation that began with it.
    pub(crate) generation: u64,
    pub(crate) why: Option<Trip>,
    pub(crate) at: Instant,
}

impl Waiting {
    /// Wakes this one from now on, who has come before if there is a number in `place`. What was to be
    /// woken in its place is foreign code, not to be dropped under the lock.
    pub(super) fn wait(&mut self, place: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let number = *place.get_or_insert_with(|| {
            self.came += 1;
            self.came
        });
        self.wakers.insert(number, waker)
    }

    pub(super) fn leave(&mut self, place: u64) -> Option<Waker> {
        self.wakers.remove(&place)
    }
}

impl Book {
    /// Those who are to be woken because something has happened.
    pub(super) fn take_stirred(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let stirred = mem::take(&mut self.stirred);
        let waiting = self.waiting.as_mut().filter(|_| stirred);
        waiting.map(|waiting| mem::take(&mut waiting.wakers)).unwrap_or_default().into_values()
    }

    pub(super) fn new(now: Instant) -> Self {
        Self {
            open_until: None,
            why: Trip::Forced,
            forced: false,
            since: now,
            at_trip: Counts::default(),
            in_vain: 0,
            probes: Probes::default(),
            opened: 0,
            rejected: 0,
            untold: VecDeque::new(),
            telling: false,
            waiting: None,
            stirred: false,
        }
    }
}

impl Circuit {
    /// Makes the changes that time alone brings: an open time that is over, a lease that ended,
    /// a ramp that was climbed.
    ///
    /// Each happened when it was due, however late that is noticed: the open time after a lost probe
    /// counts from there, and may be over, too.
    pub(super) fn catch_up(&self, book: &mut Book, now: Instant) -> Word {
        loop {
            let word = self.load();
            match word.state() {
                Open => match book.open_until.filter(|until| *until <= now) {
                    Some(until) => self.change(book, |word| word.next(HalfOpen), until),
                    None => return word,
                },
                HalfOpen => match book.probes.due(now) {
                    Some(Due::Lost(at)) => {
                        if let Some(why) = book.probes.lose(&self.settings.conditions) {
                            self.open(book, why, None, None, at);
                        } else {
                            // Its place has become free.
                            self.stir(book);
                        }
                    }
                    Some(Due::Recovered(at)) => self.close(book, at),
                    None => return word,
                },
                Closed => return word,
            }
        }
    }

    /// Opens the circuit, after so many failures in a row if it was these.
    pub(super) fn open(
        &self,
        book: &mut Book,
        why: Trip,
        row: Option<u32>,
        hint: Option<Duration>,
        since: Instant,
    ) {
        let was = self.load();
        match was.state() {
            Closed => {
                let record = self.record.as_ref();
                let counts = record.map(|record| record.counts(was.generation(), || since));
                book.at_trip = counts.unwrap_or_default();
            }
            HalfOpen => book.in_vain = book.in_vain.saturating_add(1),
            Open => {}
        }
        book.opened += u64::from(was.state() != Open);
        // A number that no other opening of this or another circuit has.
        let chance = self.seed.wrapping_add(was.generation());
        let time = self.settings.open_time.after(book.in_vain, hint, chance);
        book.open_until = time.and_then(|time| since.checked_add(time));
        book.why = why;
        let to = |word: Word| {
            let open = word.next(Open);
            row.map_or(open, |row| open.with_failures(row))
        };
        self.change(book, to, since);
    }

    /// Closes the circuit, with nothing counted.
    pub(super) fn close(&self, book: &mut Book, since: Instant) {
        book.in_vain = 0;
        book.forced = false;
        self.change(book, |word| word.next(Closed).with_failures(0), since);
    }

    /// Changes the word to what `to` makes of it, and keeps the book. Under the lock nobody else
    /// changes the state, but while it is closed the count still moves.
    pub(super) fn change(&self, book: &mut Book, to: impl Fn(Word) -> Word, since: Instant) {
        let mut from = self.load();
        // From closed to closed nothing counts until the window is empty: a call of the new spell
        // would else find those of the old one there.
        let first = |from: Word| {
            let to = to(from);
            let empties = from.state() == Closed && to.state() == Closed && self.record.is_some();
            if empties { to.held_closed() } else { to }
        };
        while let Err(current) = self.swap(from, first(from)) {
            from = current;
        }
        let to = to(from);
        if let (Closed, Some(record)) = (from.state(), &self.record) {
            // After the word has changed, so that nobody notes a call of the old spell any more.
            record.clear();
        }
        if first(from) != to {
            // While it is held, the count does not move.
            let _ = self.swap(first(from), to);
        }
        book.probes.begin();
        book.since = since;
        if from.state() != to.state() {
            let (from, to, generation) = (from.state(), to.state(), to.generation());
            let why = (to == Open).then_some(book.why);
            book.untold.push_back(Change { from, to, generation, why, at: since });
        }
        self.stir(book);
    }

    /// Something has happened that those who wait for calls to be let in want to know.
    pub(super) fn stir(&self, book: &mut Book) {
        book.stirred = true;
        self.news.store(true, Ordering::Release);
    }
}
