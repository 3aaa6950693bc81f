//! How long a call waits for its turn, and how the wait ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Allowance, Deadline, Rejection};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Permit, turn::Turn};

/// The patience of one call that found no free place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    // None: as long as the deadline allows.
    own: Option<Deadline>,
    ambient: Option<Deadline>,
}

impl Patience {
    /// From `now` on for `max_wait`, where `Duration::MAX` means without end, and never past the
    /// ambient deadline.
    pub(crate) fn new(max_wait: Duration, ambient: Option<Deadline>, now: Instant) -> Self {
        let own = (max_wait != Duration::MAX).then(|| Deadline::after_instant(now, max_wait));
        Self { own, ambient }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_pointless_at(&self, now: Instant) -> bool {
        self.ambient.is_some_and(|deadline| deadline.is_past_at(now))
    }

    /// When it ends; `None` if nothing ends it.
    fn until(&self) -> Option<Deadline> {
        Deadline::sooner(self.own, self.ambient)
    }

    /// Whether what ends it is its own limit.
    fn is_own(&self) -> bool {
        self.own.is_some() && self.until() == self.own
    }
}

/// One call's wait for its turn.
pub(crate) struct Wait {
    turn: Turn,
    patience: Patience,
    // As it was when the call was made.
    allowance: Allowance,
    // Made when the first poll found no place.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    pub(crate) fn new(turn: Turn, patience: Patience) -> Self {
        Self { turn, patience, allowance: Allowance::current(), timer: None }
    }

    /// Waits until there is a place, which is to be [taken](Self::take), or it is too late for one.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        // The turn before the timer: a place that is there in the same poll wins.
        let served = self.turn.poll(cx).is_ready();
        let now = Instant::now();
        // The dependency would work for nobody, and whoever cuts the call would blame it for the time
        // that was spent here.
        let pointless = self.patience.is_pointless_at(now);
        if served && !pointless {
            return Poll::Ready(Ok(()));
        }
        if !served {
            let Some(until) = self.patience.until() else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.instant())));
            // The clock as well as the timer: timers of one moment fire one after the other, and a
            // limit outside may wake this task first, which would cut the call as if it had been made;
            // and in a task that is always busy no timer ever fires.
            if timer.as_mut().poll(cx).is_pending() && !until.is_past_at(now) {
                return Poll::Pending;
            }
        }
        // He leaves before it is said: none who hears of it is to find him waiting still.
        self.turn.leave();
        let shared = self.turn.bulkhead().shared();
        Poll::Ready(Err(if served || !self.patience.is_own() {
            shared.reject_as_pointless()
        } else {
            shared.reject_as_late(now.saturating_duration_since(self.turn.since()))
        }))
    }

    /// Takes the place that there is.
    pub(crate) fn take(self) -> Permit {
        let mut permit = self.turn.take();
        permit.measure(|| self.allowance);
        permit
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
            let own = own.is_some_and(|own| ambient.is_none_or(|ambient| own <= ambient));
            prop_assert_eq!(patience.is_own(), own);
            prop_assert!(own || patience.is_pointless_at(until.instant()));
        }
    }
}
