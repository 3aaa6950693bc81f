//! The turn of one who waits for a place.

use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::{
    BulkheadHandle, Permit,
    counts::Figures,
    places::{Joined, Waiter},
};

/// One who waits for a place. Dropped, he leaves the queue; a place that he was given and did not take
/// goes to the next.
pub(crate) struct Turn {
    bulkhead: BulkheadHandle,
    // None once he has taken it, or has left.
    waiter: Option<Waiter>,
    since: Instant,
}

/// What came of asking for a place and being ready to wait.
pub(crate) enum Asked {
    Admitted(Permit),
    Waiting(Turn),
    Full(Figures),
}

impl Turn {
    /// Takes a place, or else stands at the end of the queue, as of `now`.
    pub(crate) fn ask(bulkhead: &BulkheadHandle, now: Instant) -> Asked {
        let max_queue = bulkhead.shared().settings().max_queue;
        match bulkhead.shared().places.enter_or_queue(max_queue) {
            Joined::Entered => Asked::Admitted(Permit::of(bulkhead.clone())),
            Joined::Queued(waiter) => {
                let bulkhead = bulkhead.clone();
                Asked::Waiting(Self { bulkhead, waiter: Some(waiter), since: now })
            }
            Joined::Full(figures) => Asked::Full(figures),
        }
    }

    /// The bulkhead whose place he waits for.
    pub(crate) fn bulkhead(&self) -> &BulkheadHandle {
        &self.bulkhead
    }

    /// Since when he waits.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Waits until he is given a place, which is his once he [takes](Self::take) it.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.waiter {
            Some(waiter) if !self.bulkhead.shared().places.is_served(waiter, cx.waker()) => {
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Takes the place that he was given; none if he has left.
    pub(crate) fn take(mut self) -> Permit {
        let Some(waiter) = self.waiter.take() else { return Permit::default() };
        let shared = self.bulkhead.shared();
        shared.places.take(waiter);
        shared.waits.record(self.since.elapsed());
        Permit::of(self.bulkhead.clone())
    }

    /// Leaves the queue.
    pub(crate) fn leave(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.bulkhead.shared().places.quit(waiter);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}
