//! The limits on a response body.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, End, Follower};
use tokio::time::{Instant, Sleep};

use super::{
    limits::{Cut, Look},
    watch::Watch,
};

/// Cuts a response body when its call stands still, or its request body does.
pub struct TransferFollower {
    watch: Watch,
    // Boxed so that it need not be pinned in the body, and made only for a body that makes its
    // reader wait. One for all frames: it is moved on only when it has fired too soon.
    timer: Option<Pin<Box<Sleep>>>,
    cut: Option<Deadline>,
}

impl TransferFollower {
    /// Follows a response whose head has come.
    pub(super) fn new(mut watch: Watch) -> Self {
        watch.moved(Instant::now());
        Self { watch, timer: None, cut: None }
    }

    fn cut(&mut self, cut: Cut) -> BoxError {
        self.cut = Some(cut.due);
        self.watch.reject(cut).into()
    }
}

impl Follower for TransferFollower {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let cut = ready!(self.watch.poll_cut(&mut self.timer, cx));
        Poll::Ready(self.cut(cut))
    }

    fn part(&mut self) -> Option<BoxError> {
        let now = Instant::now();
        self.watch.moved(now);
        match self.watch.look(now) {
            Look::Cut(cut) => Some(self.cut(cut)),
            Look::Again(_) | Look::Never => None,
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        self.cut
    }

    fn ended(self, _end: End<'_>) {}
}

impl fmt::Debug for TransferFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferFollower").field("cut", &self.cut).finish_non_exhaustive()
    }
}
