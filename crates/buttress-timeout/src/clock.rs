//! What bounds one call, in its future and then in its response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{
    Anchored, BoxError, Deadline, End, Follower, Phase, Rejection, RejectionKind, Stripe,
};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    layer::Shared,
    limits::{Bounds, Cause},
};

/// The bounds of one call, and whom to tell when they are passed.
pub(crate) struct Clock {
    bounds: Bounds,
    shared: Anchored<Stripe<Shared>>,
    // When the time of the one outside is up, whose deadline has passed.
    grace: Option<Deadline>,
}

impl Clock {
    #[inline]
    pub(crate) fn new(bounds: Bounds, shared: Anchored<Stripe<Shared>>) -> Self {
        Self { bounds, shared, grace: None }
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
    fn is_watched_outside(&self) -> bool {
        self.bounds.cause() == Cause::Deadline
            && self.bounds.due().is_some_and(Deadline::is_enforced)
    }

    /// When the call is cut here, for who asks at `now`.
    fn cut_at(&mut self, now: Instant) -> Option<Deadline> {
        let due = self.bounds.due()?;
        if !due.is_past_at(now) || !self.is_watched_outside() {
            return Some(due);
        }
        // From now on, and not from when it was due: he may have been asked this late himself.
        Some(*self.grace.get_or_insert_with(|| Deadline::after_instant(now, Deadline::GRACE)))
    }

    /// Whether the call is to be cut.
    #[inline]
    fn is_over(&mut self) -> bool {
        // The clock is read only where something bounds the call.
        let Some(due) = self.bounds.due() else { return false };
        let now = Instant::now();
        due.is_past_at(now) && self.cut_at(now).is_some_and(|at| at.is_past_at(now))
    }

    /// Waits until the call is to be cut.
    pub(crate) fn poll_over(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let fired = timer.as_mut().poll(cx).is_ready();
            // The clock as well as the timer: tokio lets no timer fire in a task that has used up
            // its turn, as a call that is always busy does.
            let now = Instant::now();
            let Some(at) = self.cut_at(now) else { return Poll::Pending };
            if at.is_past_at(now) || (fired && timer.deadline() >= at.instant()) {
                return Poll::Ready(());
            }
            if !fired {
                return Poll::Pending;
            }
            // It was set for the gap before a frame that came, or for what another has to cut.
            timer.as_mut().reset(at.instant());
        }
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

    /// Cuts the body where its next frame is waited for, or was too late.
    #[cold]
    fn cut_body(&mut self) -> BoxError {
        let kind = self.cut(Phase::Read, true);
        self.reject(kind).into()
    }

    /// Tells of what was cut, once it is gone.
    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        self.shared.cut(kind)
    }
}

/// Cuts a response body when the time of the call, or of its next frame, is up.
pub struct TimeoutFollower {
    // None if the response was over with its head.
    clock: Option<Clock>,
    // Boxed so that it need not be pinned in the body, and made only for a body that makes its
    // reader wait. One for all frames: it is moved on only when it has fired too soon.
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimeoutFollower {
    /// Follows a response whose head has come; by no clock, one that is over with it.
    #[inline]
    pub(crate) fn new(mut clock: Option<Clock>) -> Self {
        if let Some(clock) = &mut clock {
            clock.bounds.end_phase();
        }
        Self { clock, timer: None }
    }
}

impl Follower for TimeoutFollower {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let Some(clock) = &mut self.clock else { return Poll::Pending };
        let read = clock.shared.limits.read;
        if read.is_none() && clock.due().is_none() {
            return Poll::Pending;
        }
        if let Some(read) = read {
            // The gap is the dependency's: it begins when the reader asks, however late.
            clock.bounds.run_phase(read, Instant::now());
        }
        let Some(due) = clock.due() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.instant())));
        ready!(clock.poll_over(timer.as_mut(), cx));
        Poll::Ready(clock.cut_body())
    }

    #[inline]
    fn part(&mut self) -> Option<BoxError> {
        let clock = self.clock.as_mut()?;
        clock.bounds.end_phase();
        clock.is_over().then(|| clock.cut_body())
    }

    #[inline]
    fn deadline(&self) -> Option<Deadline> {
        self.clock.as_ref().and_then(Clock::deadline)
    }

    /// A body that is due is cut, be it in a frame or where its reader waits for one.
    #[inline]
    fn enforces(&self) -> bool {
        true
    }

    #[inline]
    fn ended(self, _end: End<'_>) {}
}

impl fmt::Debug for TimeoutFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutFollower")
            .field("deadline", &self.deadline())
            .field("due", &self.clock.as_ref().and_then(Clock::due))
            .finish_non_exhaustive()
    }
}
