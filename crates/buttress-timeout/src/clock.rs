//! What bounds one call, in its future and then in its response.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, End, Follower, Phase, Rejection, RejectionKind};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    layer::Shared,
    limits::{Bounds, Cause},
};

/// The bounds of one call, and whom to tell when they are passed.
pub(crate) struct Clock {
    bounds: Bounds,
    shared: Arc<Shared>,
}

impl Clock {
    pub(crate) fn new(bounds: Bounds, shared: Arc<Shared>) -> Self {
        Self { bounds, shared }
    }

    /// The deadline to scope, merged with the ambient one.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.bounds.whole()
    }

    /// When the call is cut.
    pub(crate) fn due(&self) -> Option<Deadline> {
        self.bounds.due()
    }

    /// Whether the call is due by a deadline at which somebody outside ends it anyway, and says
    /// whose it was. Asked at each poll, for a call may go on elsewhere than where it began.
    pub(crate) fn is_watched_outside(&self) -> bool {
        self.bounds.cause() == Cause::Deadline
            && Deadline::enforced().is_some_and(|outside| Some(outside) <= self.bounds.due())
    }

    /// Cuts the call in this phase, now that it is due; `called` is whether the inner service had
    /// become ready and had been called.
    pub(crate) fn cut(&mut self, phase: Phase, called: bool) -> RejectionKind {
        let cause = self.bounds.cause();
        self.bounds.cut();
        match cause {
            Cause::Overall(limit) => RejectionKind::TimedOut { phase: Phase::Overall, limit },
            Cause::Deadline => RejectionKind::DeadlineExceeded { called },
            Cause::Phase(limit) => RejectionKind::TimedOut { phase, limit },
        }
    }

    /// Tells of what was cut, once it is gone.
    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        self.shared.cut(kind)
    }
}

/// Cuts a response body when the time of the call, or of its next frame, is up.
pub struct TimeoutFollower {
    clock: Clock,
    // Boxed so that it need not be pinned in the body, and made only for a body that makes its
    // reader wait. One for all frames: it is moved on only when it has fired too soon.
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimeoutFollower {
    /// Follows a response whose head has come.
    pub(crate) fn new(mut clock: Clock) -> Self {
        clock.bounds.end_phase();
        Self { clock, timer: None }
    }

    fn cut(&mut self) -> BoxError {
        let kind = self.clock.cut(Phase::Read, true);
        self.clock.reject(kind).into()
    }
}

impl Follower for TimeoutFollower {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let read = self.clock.shared.limits.read;
        if read.is_none() && self.clock.due().is_none() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if let Some(read) = read {
            // The gap is the dependency's: it begins when the reader asks, however late.
            self.clock.bounds.run_phase(read, now);
        }
        let Some(due) = self.clock.due() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.instant())));
        loop {
            let fired = timer.as_mut().poll(cx).is_ready();
            // The clock as well as the timer, as in the future.
            if due.is_past_at(now) || (fired && timer.deadline() >= due.instant()) {
                return Poll::Ready(self.cut());
            }
            if !fired {
                return Poll::Pending;
            }
            // It was set for the gap before a frame that came.
            timer.as_mut().reset(due.instant());
        }
    }

    fn part(&mut self) -> Option<BoxError> {
        self.clock.bounds.end_phase();
        let late = self.clock.due().is_some_and(Deadline::is_past);
        late.then(|| self.cut())
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
            .field("due", &self.clock.due())
            .finish_non_exhaustive()
    }
}
