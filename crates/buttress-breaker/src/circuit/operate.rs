//! What an operator, or a balancer, sees of a circuit and does with it.

use std::task::Waker;

use buttress_core::{
    CircuitState::{self, Closed, HalfOpen, Open},
    Trip,
};
use tokio::time::Instant;

use super::{Circuit, Ordering};
use crate::Snapshot;

/// Whether a call would be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admittance {
    Now,
    /// Not before this, unless something happens that wakes whoever waits; `None` is then only.
    Later(Option<Instant>),
}

impl Circuit {
    /// The state now. Like an admission it makes the changes that are due, so that whoever looks,
    /// whoever calls and whoever is told of changes see the same circuit.
    pub(crate) fn state(&self, now: impl FnOnce() -> Instant) -> CircuitState {
        match self.load().state() {
            Closed => Closed,
            Open | HalfOpen => self.snapshot(now).state,
        }
    }

    /// All there is to see now; makes the changes that are due, as [`Circuit::state`].
    pub(crate) fn snapshot(&self, now: impl FnOnce() -> Instant) -> Snapshot {
        let now = now();
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        let counts = match &self.record {
            Some(record) if word.state() == Closed => record.counts(word.generation(), || now),
            _ => book.at_trip,
        };
        let (rejected, would_have_rejected) =
            if self.settings.shadow { (0, book.rejected) } else { (book.rejected, 0) };
        Snapshot {
            state: word.state(),
            forced: book.forced,
            since: book.since,
            open_until: book.open_until.filter(|_| word.state() == Open),
            why: (word.state() != Closed).then_some(book.why),
            failures: word.failures(),
            calls: counts.calls,
            failed: counts.failed,
            slow: counts.slow,
            probes: book.probes.out(),
            generation: word.generation(),
            opened: book.opened,
            rejected,
            would_have_rejected,
            stale: self.stale.load(Ordering::Relaxed),
        }
    }

    /// Opens it until it is told otherwise.
    pub(crate) fn force_open(&self, now: Instant) {
        let mut book = self.lock();
        let is_open = self.catch_up(&mut book, now).state() == Open;
        if !(is_open && book.forced) {
            self.open(&mut book, Trip::Forced, None, None, now);
            book.open_until = None;
            book.forced = true;
        }
    }

    /// Closes it until it is told otherwise, whatever comes of the calls.
    pub(crate) fn force_closed(&self, now: Instant) {
        let mut book = self.lock();
        if !self.catch_up(&mut book, now).is_held_closed() {
            book.in_vain = 0;
            book.forced = true;
            self.change(&mut book, |word| word.next_held_closed().with_failures(0), now);
        }
    }

    /// Leaves it to itself again, if it was forced: half-open if it was open, for nobody knows.
    pub(crate) fn resume(&self, now: Instant) {
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        if word.is_held_closed() {
            self.close(&mut book, now);
        } else if book.forced {
            book.forced = false;
            self.change(&mut book, |word| word.next(HalfOpen), now);
        }
    }

    /// Closes it, with nothing counted, as it was in the beginning.
    pub(crate) fn reset(&self, now: Instant) {
        let mut book = self.lock();
        self.catch_up(&mut book, now);
        self.close(&mut book, now);
    }

    /// Closes it, as nobody is going to call it any more.
    #[cfg(any(test, feature = "keyed"))]
    pub(crate) fn end(&self, now: impl FnOnce() -> Instant) {
        if self.load().state() != Closed {
            self.reset(now());
        }
    }

    /// Whether something would be lost with it: it is held by an operator, or open with a part of
    /// its time still to go.
    #[cfg(any(test, feature = "keyed"))]
    pub(crate) fn is_needed(&self, now: impl FnOnce() -> Instant) -> bool {
        let word = self.load();
        if word.state() == Closed {
            return word.is_held_closed();
        }
        let mut book = self.lock();
        self.catch_up(&mut book, now()).state() == Open
    }

    /// Whether a call would be let in now, and else wakes this one when that may have changed: who
    /// comes again, with the number that is left in `place`, takes the same place among those who
    /// wait.
    pub(crate) fn admittance(
        &self,
        place: &mut Option<u64>,
        waker: &Waker,
        now: impl FnOnce() -> Instant,
    ) -> Admittance {
        if self.load().state() == Closed || self.settings.shadow {
            return Admittance::Now;
        }
        // Wakers are foreign code, also where they are cloned and dropped: not under the lock.
        let (waker, now) = (waker.clone(), now());
        let mut book = self.lock();
        let until = match self.catch_up(&mut book, now).state() {
            Closed => return Admittance::Now,
            HalfOpen if book.probes.has_place(&self.settings.probing) => return Admittance::Now,
            HalfOpen => book.probes.first_end(),
            Open => book.open_until,
        };
        let former = book.waiting.get_or_insert_default().wait(place, waker);
        drop(book);
        drop(former);
        Admittance::Later(until)
    }

    /// Waits no longer.
    pub(crate) fn leave(&self, place: u64) {
        let waker = self.lock().waiting.as_mut().and_then(|waiting| waiting.leave(place));
        drop(waker);
    }
}
