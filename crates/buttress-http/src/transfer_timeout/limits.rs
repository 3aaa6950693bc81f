//! The limits of a layer, and what they come to at one moment of a call.

use std::time::Duration;

use buttress_core::{ConfigError, Deadline, Phase};
use tokio::time::Instant;

use super::upload::Upload;

/// The limits of a layer; `None` means never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) write: Option<Duration>,
    pub(super) idle: Option<Duration>,
}

/// What a look at a call finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It is to be cut.
    Cut(Cut),
    /// It is not to be cut before this, which is always ahead.
    Again(Instant),
    /// Nothing bounds it any more, whatever comes.
    Never,
}

/// A limit that a call has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) phase: Phase,
    pub(super) limit: Duration,
    pub(super) due: Deadline,
}

impl Limits {
    /// Refuses a limit of zero; one of `Duration::MAX` is none.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        let check = |setting, limit: Option<Duration>| {
            ConfigError::check_not_zero(setting, limit.unwrap_or(Duration::MAX))?;
            Ok(limit.filter(|limit| *limit != Duration::MAX))
        };
        Ok(Self { write: check("write", self.write)?, idle: check("idle", self.idle)? })
    }

    /// Whether there is one at all.
    pub(super) fn any(self) -> bool {
        self.write.or(self.idle).is_some()
    }

    /// Looks at a call whose request body is at `upload`, and which was made, or whose response
    /// moved, at `moved`.
    ///
    /// As a call goes on, the moment of the next look never comes nearer: a timer that is set for
    /// one of them is never too late for another.
    pub(super) fn look(self, now: Instant, upload: Upload, moved: Instant) -> Look {
        let passes = |phase, limit, since| {
            let due = Deadline::after_instant(since, limit);
            Cut { phase, limit, due }
        };
        let write = self.write.zip(upload.waits_since());
        let write = write.map(|(limit, since)| passes(Phase::Write, limit, since));
        let moved = upload.moved().map_or(moved, |upload| upload.max(moved));
        let idle = self.idle.map(|limit| passes(Phase::Idle, limit, moved));
        // Of two at the same moment, the one that says more: whose fault it is.
        let first = [write, idle].into_iter().flatten().min_by_key(|cut| cut.due);
        if let Some(cut) = first.filter(|cut| cut.due.is_past_at(now)) {
            return Look::Cut(cut);
        }
        // A body that is first asked for after this look is not due before then, and so need not
        // say that it is.
        let unasked = self.write.filter(|_| upload == Upload::Unasked);
        let unasked = unasked.map(|limit| Deadline::after_instant(now, limit));
        match Deadline::sooner(first.map(|cut| cut.due), unasked) {
            Some(next) => Look::Again(next.instant()),
            None => Look::Never,
        }
    }
}

#[cfg(test)]
mod tests;
