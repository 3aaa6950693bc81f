//! What one call is watched by, in its future and then in its response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{Deadline, Rejection, RejectionKind};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    layer::Shared,
    limits::{Cut, Look},
    upload::Reader,
};

/// Sees both sides of one call.
pub(super) struct Watch {
    shared: Arc<Shared>,
    upload: Reader,
    /// When the call was made, or its response moved last.
    moved: Instant,
}

impl Watch {
    /// Watches over a call that is made now.
    pub(super) fn new(shared: Arc<Shared>, upload: Reader) -> Self {
        Self { shared, upload, moved: Instant::now() }
    }

    /// The response moved.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Looks at both sides.
    pub(super) fn look(&self, now: Instant) -> Look {
        self.shared.limits.look(now, self.upload.read(), self.moved)
    }

    /// When a call is due whose request has not been handed over.
    pub(super) fn due_unsent(&self) -> Option<Deadline> {
        self.shared.limits.idle.map(|limit| Deadline::after_instant(self.moved, limit))
    }

    /// Waits for the call to be due.
    pub(super) fn poll_cut(&self, timer: &mut impl Timer, cx: &mut Context<'_>) -> Poll<Cut> {
        loop {
            // The clock as well as the timer: tokio lets no timer fire in a task that has used up
            // its turn, as a call that is always busy does.
            let next = match self.look(Instant::now()) {
                Look::Cut(cut) => return Poll::Ready(cut),
                Look::Again(next) => next,
                Look::Never => return Poll::Pending,
            };
            let mut timer = timer.made(next);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It was set by an earlier look, and what has moved since then puts the end off.
            timer.reset(next);
        }
    }

    /// Tells of a call that was cut.
    pub(super) fn reject(&self, cut: Cut) -> Rejection {
        self.shared.cut(RejectionKind::TimedOut { phase: cut.phase, limit: cut.limit })
    }
}

/// A place for a timer, which is made when there is need of one, and then kept.
pub(super) trait Timer {
    /// The timer that is there, or else one that is set for this moment.
    fn made(&mut self, at: Instant) -> Pin<&mut Sleep>;
}

impl Timer for Pin<&mut Option<Sleep>> {
    fn made(&mut self, at: Instant) -> Pin<&mut Sleep> {
        if self.is_none() {
            self.set(Some(sleep_until(at)));
        }
        self.as_mut().as_pin_mut().expect("it was just set")
    }
}

impl Timer for Option<Pin<Box<Sleep>>> {
    fn made(&mut self, at: Instant) -> Pin<&mut Sleep> {
        self.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut()
    }
}
