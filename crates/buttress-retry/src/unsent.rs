//! An attempt that was begun and is not sent yet.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{Deadline, ReadyCall};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::Withdrawal;

/// What there is to a later attempt whose service was not ready, until it is sent.
pub(crate) struct Unsent {
    /// Goes back if it never is.
    paid: Option<Withdrawal>,
    /// Whether the inner service is running. One that panics leaves it so, and then nobody knows
    /// what was sent.
    inside: bool,
    /// After that it is not sent: then there is the result of the attempt before, which nobody
    /// outside has.
    deadline: Option<Deadline>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Unsent {
    pub(crate) fn new(paid: Option<Withdrawal>, deadline: Option<Deadline>) -> Self {
        let timer = deadline.map(|deadline| Box::pin(sleep_until(deadline.instant())));
        Self { paid, inside: false, deadline, timer }
    }

    /// Polls the attempt, and is over when it is sent.
    pub(crate) fn poll_call<S: Service<Req>, Req>(
        this: &mut Option<Box<Self>>,
        mut call: Pin<&mut ReadyCall<S, Req>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let Some(unsent) = this else { return call.poll(cx) };
        unsent.inside = true;
        let polled = call.as_mut().poll_until(unsent.deadline, cx);
        unsent.inside = false;
        if call.called() {
            unsent.spend();
            *this = None;
        }
        polled
    }

    /// Waits for the deadline.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        // The clock as well as the timer, which may be a moment late, and does not fire at all in a
        // task that has used up its turn.
        let fired = timer.as_mut().poll(cx).is_ready();
        if fired || timer.deadline() <= Instant::now() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Gives the one outside the time to end the call.
    pub(crate) fn leave(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(Instant::now() + Deadline::GRACE);
        }
    }

    fn spend(&mut self) {
        if let Some(paid) = self.paid.take() {
            paid.spend();
        }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if self.inside {
            self.spend();
        }
    }
}
