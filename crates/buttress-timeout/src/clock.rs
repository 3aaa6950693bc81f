//! What bounds one call, in its future and then in its response.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, End, Follower, Phase, Rejection, RejectionKind};
use tokio::time::{Sleep, sleep_until};

use crate::{allowance::Bounds, layer::Shared};

/// The bounds of one call, and whom to tell when they are passed.
pub(crate) struct Clock {
    bounds: Option<Bounds>,
    shared: Arc<Shared>,
}

impl Clock {
    pub(crate) fn new(bounds: Option<Bounds>, shared: Arc<Shared>) -> Self {
        Self { bounds, shared }
    }

    /// The deadline to scope, merged with the ambient one.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.bounds.map(|bounds| bounds.deadline)
    }

    /// What to say now that the deadline has passed; `called` is whether the inner service had
    /// become ready and had been called.
    pub(crate) fn expired(&self, called: bool) -> Rejection {
        let kind = match self.bounds.and_then(|bounds| bounds.limit) {
            Some(limit) => RejectionKind::TimedOut { phase: Phase::Overall, limit },
            None => RejectionKind::DeadlineExceeded { called },
        };
        self.shared.reporter.reject(kind)
    }
}

/// Cuts a response body when the call's time is up.
pub struct TimeoutFollower {
    clock: Clock,
    // Boxed so that it need not be pinned in the body, and made only for a body that is not over
    // with its first frame.
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimeoutFollower {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, timer: None }
    }
}

impl Follower for TimeoutFollower {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let Some(deadline) = self.clock.deadline() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.instant())));
        // The clock as well as the timer, as in the future.
        if timer.as_mut().poll(cx).is_pending() && !deadline.is_past() {
            return Poll::Pending;
        }
        Poll::Ready(self.clock.expired(true).into())
    }

    fn deadline(&self) -> Option<Deadline> {
        self.clock.deadline()
    }

    fn ended(self, _end: End<'_>) {}
}

impl fmt::Debug for TimeoutFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutFollower")
            .field("deadline", &self.clock.deadline())
            .finish_non_exhaustive()
    }
}
