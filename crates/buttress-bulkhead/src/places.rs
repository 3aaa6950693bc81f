//! The places of a bulkhead, and the queue for them.

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    thread,
};

#[cfg(all(test, loom))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
use std::sync::{Mutex, MutexGuard};

use crate::{
    counts::{Counts, Figures, NotQueued},
    line::Line,
};

/// So many calls at once, and those that wait for one of them to end.
///
/// tokio's semaphore is not used: its permits can not be taken back while they are out, as a limit
/// that shrinks must, and neither its queue nor what is in flight can be counted exactly. As long as
/// nobody waits there is no lock. Wakers are foreign code, and never run under the lock.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Places {
    // First, as the places are in what holds them.
    counts: Counts,
    line: Mutex<Line>,
    untaken: AtomicU64,
}

/// What came of asking for a place and being ready to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// There was one.
    Entered,
    /// This one waits.
    Queued(Waiter),
    /// As many wait as may.
    Full(Figures),
}

/// One who waits, or was given a place and has not taken it yet.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Waiter(usize);

impl Places {
    /// `limit` free places, from 1 to [`MOST`](crate::counts::MOST).
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            counts: Counts::new(limit),
            line: Mutex::new(Line::new()),
            untaken: AtomicU64::new(0),
        }
    }

    /// All counts, of one moment.
    pub(crate) fn figures(&self) -> Figures {
        self.counts.figures()
    }

    /// Takes a place if one is free and nobody waits for it; else says how it was.
    #[inline]
    pub(crate) fn try_enter(&self) -> Result<(), Figures> {
        self.counts.try_enter()
    }

    /// Takes a place, or else stands at the end of the queue, if no more than `max_queue` wait then.
    pub(crate) fn enter_or_queue(&self, max_queue: usize) -> Joined {
        let mut line = self.line();
        loop {
            match self.counts.try_queue(max_queue) {
                Ok(()) => return Joined::Queued(Waiter(line.join())),
                Err(NotQueued::Full(figures)) => return Joined::Full(figures),
                Err(NotQueued::Room) if self.counts.try_enter().is_ok() => return Joined::Entered,
                Err(NotQueued::Room) => {}
            }
        }
    }

    /// Whether this one has been given a place; else this wakes him when he is.
    pub(crate) fn is_served(&self, waiter: Waiter, waker: &Waker) -> bool {
        // Cloned, and the former one dropped, while the lock is not held.
        let waker = waker.clone();
        let mut line = self.line();
        if line.is_served(waiter.0) {
            drop(line);
            return true;
        }
        let _former = line.wake_by(waiter.0, waker);
        drop(line);
        false
    }

    /// Takes the place that he has been given.
    pub(crate) fn take(&self, waiter: Waiter) {
        self.line().leave(waiter.0);
    }

    /// Leaves the queue; a place that he was given and has not taken goes to the next.
    pub(crate) fn quit(&self, waiter: Waiter) {
        let mut line = self.line();
        let served = line.is_served(waiter.0);
        let _waker = line.leave(waiter.0);
        if served {
            self.untaken.fetch_add(1, Ordering::Relaxed);
        } else {
            self.counts.quit_queue();
        }
        drop(line);
        if served {
            self.leave();
        }
    }

    /// All counts, of one moment; and how many places were taken, ever.
    pub(crate) fn census(&self) -> (Figures, u64) {
        // Nobody is given a place, or takes it, meanwhile.
        let line = self.line();
        let figures = self.figures();
        let given = (line.len() - figures.queued) as u64;
        (figures, figures.came.saturating_sub(given + self.untaken()))
    }

    /// How many places were given to one who waited, ever, and went on without being taken.
    pub(crate) fn untaken(&self) -> u64 {
        self.untaken.load(Ordering::Relaxed)
    }

    /// Gives a place back.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.counts.leave() {
            self.serve();
        }
    }

    /// Has so many places from now on. No call in flight is touched: if there are fewer than are
    /// taken, those that are given back are free only when there are fewer in flight.
    ///
    /// Whoever waits is given what there is of them by [`serve`](Self::serve).
    pub(crate) fn set_limit(&self, limit: usize) {
        let _line = self.line();
        self.counts.set_limit(limit);
    }

    /// Gives the free places to those who wait, and wakes them.
    #[cold]
    pub(crate) fn serve(&self) {
        if thread::panicking() {
            return drop(Rest(self));
        }
        while let Some(waker) = self.serve_one() {
            let rest = Rest(self);
            waker.wake();
            mem::forget(rest);
        }
    }

    /// Gives a free place to the first who waits; answers who is to be woken for it.
    fn serve_one(&self) -> Option<Waker> {
        let mut line = self.line();
        // In this order: as long as somebody waits, nobody else comes in.
        if line.is_empty() || !self.counts.try_enter_from_queue() {
            return None;
        }
        self.counts.quit_queue();
        line.serve()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // No foreign code runs under it, so nothing there panics half-way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped where a panic is on its way, of a waker or of whatever else: all are served all the same.
struct Rest<'a>(&'a Places);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        while let Some(waker) = self.0.serve_one() {
            // Another panic would end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

/// What its callers do in several steps.
#[cfg(test)]
impl Places {
    fn enters(&self) -> bool {
        self.try_enter().is_ok()
    }

    /// Whether he has been given a place, which he takes then.
    fn takes(&self, waiter: Waiter, waker: &Waker) -> bool {
        let served = self.is_served(waiter, waker);
        if served {
            self.take(waiter);
        }
        served
    }

    fn change_limit(&self, limit: usize) {
        self.set_limit(limit);
        self.serve();
    }
}
