//! Those who wait, in the order they came.

use std::{mem, task::Waker};

use slab::Slab;

/// So much room is kept when nobody waits any more. What a storm took is given back.
const KEPT: usize = 1_024;

/// A queue that whoever is in it can leave from anywhere, at no more cost than from its head.
///
/// Who has been given a place is not in line any more, but known until he takes it.
#[derive(Debug)]
pub(crate) struct Line {
    waiters: Slab<Waiter>,
    first: Option<usize>,
    last: Option<usize>,
    // How often any waiter was looked at: what the tests measure its work by.
    #[cfg(test)]
    looks: usize,
}

#[derive(Debug)]
struct Waiter {
    // One that does nothing, until he has another.
    waker: Waker,
    // None once he was given a place.
    between: Option<Between>,
}

#[derive(Debug, Clone, Copy)]
struct Between {
    before: Option<usize>,
    behind: Option<usize>,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self {
            waiters: Slab::new(),
            first: None,
            last: None,
            #[cfg(test)]
            looks: 0,
        }
    }

    /// How many there are that wait, or were given a place and have not taken it.
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Stands at the end; answers by what he is known from now on.
    pub(crate) fn join(&mut self) -> usize {
        let between = Between { before: self.last, behind: None };
        let waiter = self.waiters.insert(Waiter { waker: noop(), between: Some(between) });
        match self.last {
            Some(last) => self.link(last, |between| between.behind = Some(waiter)),
            None => self.first = Some(waiter),
        }
        self.last = Some(waiter);
        waiter
    }

    /// Gives a place to the first, and answers who is to be woken for it.
    pub(crate) fn serve(&mut self) -> Option<Waker> {
        let first = self.first?;
        self.unlink(first);
        Some(mem::replace(&mut self.at(first)?.waker, noop()))
    }

    /// Whether this one was given a place.
    pub(crate) fn is_served(&mut self, waiter: usize) -> bool {
        self.at(waiter).is_some_and(|waiter| waiter.between.is_none())
    }

    /// Wakes by this one from now on, and answers the former.
    pub(crate) fn wake_by(&mut self, waiter: usize, waker: Waker) -> Option<Waker> {
        Some(mem::replace(&mut self.at(waiter)?.waker, waker))
    }

    /// Leaves for good; answers his waker.
    pub(crate) fn leave(&mut self, waiter: usize) -> Option<Waker> {
        self.unlink(waiter);
        let waker = self.waiters.try_remove(waiter)?.waker;
        if self.waiters.is_empty() && self.waiters.capacity() > KEPT {
            self.waiters = Slab::new();
        }
        Some(waker)
    }

    fn unlink(&mut self, waiter: usize) {
        let between = self.at(waiter).and_then(|waiter| waiter.between.take());
        let Some(Between { before, behind }) = between else { return };
        match before {
            Some(before) => self.link(before, |between| between.behind = behind),
            None => self.first = behind,
        }
        match behind {
            Some(behind) => self.link(behind, |between| between.before = before),
            None => self.last = before,
        }
    }

    /// The only way to a waiter.
    fn at(&mut self, waiter: usize) -> Option<&mut Waiter> {
        #[cfg(test)]
        {
            self.looks += 1;
        }
        self.waiters.get_mut(waiter)
    }

    fn link(&mut self, waiter: usize, change: impl FnOnce(&mut Between)) {
        let between = self.at(waiter).and_then(|waiter| waiter.between.as_mut());
        if let Some(between) = between {
            change(between);
        }
    }
}

#[cfg(all(test, not(loom)))]
impl Line {
    /// How many have not left, and how many there is room for.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.waiters.len(), self.waiters.capacity())
    }

    pub(crate) fn looks(&self) -> usize {
        self.looks
    }
}

fn noop() -> Waker {
    Waker::noop().clone()
}
