//! How long a call waits for its turn, and how the wait ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Deadline, Rejection, RejectionKind};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    layer::Shared,
    places::{Permit, Turn},
};

/// The patience of one call that found no free place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    since: Instant,
    // None: as long as the deadline allows.
    own: Option<Deadline>,
    ambient: Option<Deadline>,
}

impl Patience {
    /// From `now` on for `max_wait`, where `Duration::MAX` means without end, and never past the
    /// ambient deadline.
    pub(crate) fn new(max_wait: Duration, ambient: Option<Deadline>, now: Instant) -> Self {
        let own = (max_wait != Duration::MAX).then(|| Deadline::after_instant(now, max_wait));
        Self { since: now, own, ambient }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_pointless_at(&self, now: Instant) -> bool {
        self.ambient.is_some_and(|deadline| deadline.is_past_at(now))
    }

    /// When it ends; `None` if nothing ends it.
    fn until(&self) -> Option<Deadline> {
        Deadline::sooner(self.own, self.ambient)
    }

    /// What to say when it has ended, at `now`, without a place among `limit`.
    fn ended_at(&self, now: Instant, limit: usize) -> RejectionKind {
        if self.own.is_some() && self.until() == self.own {
            let waited = now.saturating_duration_since(self.since);
            return RejectionKind::QueueTimeout { limit, waited };
        }
        RejectionKind::DeadlineExceeded { called: false }
    }
}

/// One call's wait for its turn.
pub(crate) struct Wait {
    // None once it is over.
    turn: Option<Turn>,
    patience: Patience,
    // Made when the first poll found no place.
    timer: Option<Pin<Box<Sleep>>>,
    shared: Arc<Shared>,
}

impl Wait {
    pub(crate) fn new(turn: Turn, patience: Patience, shared: Arc<Shared>) -> Self {
        Self { turn: Some(turn), patience, timer: None, shared }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Rejection>> {
        let Some(turn) = &mut self.turn else { return Poll::Pending };
        // The turn before the timer: a place that is there in the same poll wins.
        if let Poll::Ready(permit) = turn.poll(cx) {
            self.turn = None;
            if !self.patience.is_pointless_at(Instant::now()) {
                return Poll::Ready(Ok(permit));
            }
            // The dependency would work for nobody, and whoever cuts the call would blame it for
            // the time that was spent here.
            drop(permit);
            let kind = RejectionKind::DeadlineExceeded { called: false };
            return Poll::Ready(Err(self.shared.reject(kind)));
        }
        let Some(until) = self.patience.until() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.instant())));
        // The clock as well as the timer: timers of one moment fire one after the other, and a
        // limit outside may wake this task first. It would cut the call as if it had been made.
        if timer.as_mut().poll(cx).is_pending() && !self.patience.is_pointless_at(Instant::now()) {
            return Poll::Pending;
        }
        self.turn = None;
        let kind = self.patience.ended_at(Instant::now(), self.shared.places.limit());
        Poll::Ready(Err(self.shared.reject(kind)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A wait ends at the sooner of its own limit and the deadline, and says which it was.
        #[test]
        fn the_sooner_ends_it(max_wait: Duration, forever: bool, ambient: Option<u32>) {
            let max_wait = if forever { Duration::MAX } else { max_wait };
            let now = Instant::now();
            let ambient = ambient
                .map(|millis| Deadline::after_instant(now, Duration::from_millis(millis.into())));
            let patience = Patience::new(max_wait, ambient, now);

            let own = (!forever).then(|| Deadline::after_instant(now, max_wait));
            prop_assert_eq!(patience.until(), Deadline::sooner(own, ambient));
            let Some(until) = patience.until() else { return Ok(()) };
            let kind = patience.ended_at(until.instant(), 3);
            if own.is_some_and(|own| ambient.is_none_or(|ambient| own <= ambient)) {
                let waited = until.instant() - now;
                prop_assert_eq!(kind, RejectionKind::QueueTimeout { limit: 3, waited });
            } else {
                prop_assert_eq!(kind, RejectionKind::DeadlineExceeded { called: false });
                prop_assert!(patience.is_pointless_at(until.instant()));
            }
        }
    }
}
