//! The deadline of a response body.

use buttress_core::{Deadline, End, Follower};

/// Keeps a response body under the deadline of its call, and does not cut it.
#[derive(Debug)]
pub struct DeadlineFollower {
    deadline: Option<Deadline>,
}

impl DeadlineFollower {
    pub(super) fn new(deadline: Option<Deadline>) -> Self {
        Self { deadline }
    }
}

impl Follower for DeadlineFollower {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn ended(self, _end: End<'_>) {}
}
