//! A delay on purpose.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::Deadline;
use tokio::time::{Sleep, sleep_until};

/// A delay that counts from when it was made.
pub(crate) struct Pause {
    // None: without end, and without a timer.
    until: Option<Deadline>,
    // Made by the first poll, which is certain to be under a runtime.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    /// `Duration::MAX` means without end.
    pub(crate) fn new(delay: Duration) -> Self {
        let until = (delay != Duration::MAX).then(|| Deadline::after(delay));
        Self { until, timer: None }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.instant())));
        timer.as_mut().poll(cx)
    }
}
