//! How others learn of changes.

use std::{collections::VecDeque, task::Waker};

use super::{Change, Circuit, Ordering};

impl Circuit {
    /// Tells of the changes that nobody was told of yet: each once, in their order, and outside
    /// the lock. First of all wakes those who wait for calls to be let in.
    ///
    /// Only one thread tells at a time, or the order could not be kept: another one that comes
    /// meanwhile, be it from within `tell`, leaves its changes to the first.
    #[inline]
    pub(crate) fn tell(&self, tell: impl FnMut(Change)) {
        if self.has_news() {
            self.tell_news(tell);
        }
    }

    /// Whether there is something to tell.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Acquire)
    }

    #[cold]
    fn tell_news(&self, mut tell: impl FnMut(Change)) {
        let stirred = self.lock().take_stirred();
        stirred.for_each(Waker::wake);
        let Some(mut teller) = Teller::new(self) else { return };
        while let Some(change) = teller.next() {
            tell(change);
        }
    }
}

/// The one that tells of changes; lets another take over should the telling panic.
pub(super) struct Teller<'a> {
    circuit: &'a Circuit,
    done: bool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(circuit: &'a Circuit) -> Option<Self> {
        let mut book = circuit.lock();
        if book.telling {
            return None;
        }
        book.telling = true;
        Some(Self { circuit, done: false })
    }

    pub(super) fn next(&mut self) -> Option<Change> {
        let mut book = self.circuit.lock();
        let next = book.untold.pop_front();
        if next.is_none() {
            // In the same breath as the last look, so that a change that comes later finds
            // nobody telling.
            book.telling = false;
            // It is rarely of use again, and there may be a circuit for each of many keys.
            book.untold = VecDeque::new();
            self.circuit.news.store(book.stirred, Ordering::Release);
            self.done = true;
        }
        next
    }
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        // Once done, somebody else may be telling already.
        if !self.done {
            self.circuit.lock().telling = false;
        }
    }
}
