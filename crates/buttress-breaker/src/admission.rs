//! Leave to make one call, settled exactly once.

use std::{fmt, sync::Arc, thread};

use buttress_core::{Deadline, Outcome, Rejection};
use tokio::time::Instant;

use crate::{
    Abandoned,
    circuit::{Ticket, Verdict},
    shared::Shared,
};

/// Leave to make one call.
///
/// It is settled exactly once: by [`Admission::settle`], or else when it is dropped, as
/// panicked or abandoned.
pub(crate) struct Admission {
    shared: Arc<Shared>,
    // None once it was settled.
    ticket: Option<Ticket>,
    deadline: Option<Deadline>,
    // Whether that had passed before: then being cut says nothing, for the dependency had no
    // time, and that it was used up elsewhere is not its fault.
    late: bool,
    // Whether the inner service is running. One that panics leaves it so: the drop that settles
    // may come much later, when the thread is no longer panicking.
    inside: bool,
    awaits: Awaits,
}

/// What goes on in a call, and so whose time it is that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The dependency is to give the head of its response.
    Head,
    /// The head was good; the dependency is to give a frame that the reader has asked for.
    Frame,
    /// The head was good; the reader has what he asked for, and takes his time.
    Reader,
}

impl Admission {
    /// Asks the circuit for leave.
    pub(crate) fn ask(shared: Arc<Shared>) -> Result<Self, Rejection> {
        let ticket = match shared.admit() {
            Ok(ticket) => ticket,
            Err(refused) => {
                shared.tell();
                return Err(shared.reject(refused));
            }
        };
        let deadline = Deadline::current();
        let admission = Self {
            shared,
            ticket: Some(ticket),
            deadline,
            late: deadline.is_some_and(Deadline::is_past),
            inside: false,
            awaits: Awaits::Head,
        };
        // Only now that the ticket can not be lost, whatever the observer does.
        admission.shared.tell();
        Ok(admission)
    }

    /// Runs a part of the inner service.
    pub(crate) fn watch<R>(&mut self, run: impl FnOnce() -> R) -> R {
        // After a panic it stays, whatever a later poll may find.
        let before = self.inside;
        self.inside = true;
        let result = run();
        self.inside = before;
        result
    }

    /// The response's head was good: what the call comes to is known at the response's end.
    pub(crate) fn follow(mut self) -> Self {
        self.awaits = Awaits::Reader;
        self
    }

    /// What a good response waits for now.
    pub(crate) fn awaits(&mut self, awaits: Awaits) {
        self.awaits = awaits;
    }

    /// Settles it as this.
    pub(crate) fn settle(mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.settle(ticket, verdict);
        }
    }

    /// What it means that nobody settled it.
    fn unsettled(&self) -> Outcome {
        // A body panics while it is polled by its reader, who drops it as the panic passes.
        if self.inside || (self.followed() && thread::panicking()) {
            return Outcome::Failure;
        }
        if self.followed() {
            // Cut, the dependency took too long; else the reader has left, which says nothing about
            // it that its head has not said.
            return if self.was_cut() { Outcome::Failure } else { Outcome::Success };
        }
        let failed = match self.shared.settings().abandoned {
            Abandoned::FailedIfLate => self.was_cut() || self.is_slow(),
            Abandoned::Failed => true,
            Abandoned::Neutral => false,
        };
        if failed { Outcome::Failure } else { Outcome::Neutral }
    }

    /// Whether it takes longer than a call should, where that counts.
    fn is_slow(&self) -> bool {
        let began = self.ticket.as_ref().and_then(Ticket::began);
        let took = began.map(|began| Instant::now().saturating_duration_since(began));
        self.shared.settings().conditions.is_slow(took)
    }

    /// Whether the response's head has come and was good.
    fn followed(&self) -> bool {
        self.awaits != Awaits::Head
    }

    /// Whether a limit drops it while the dependency is waited for: its own deadline has passed, or
    /// that under which it is dropped, as when a limit on a phase of the call cuts it.
    fn was_cut(&self) -> bool {
        let deadline = Deadline::sooner(self.deadline, Deadline::current());
        self.awaits != Awaits::Reader
            && !self.late
            && deadline.is_some_and(|deadline| deadline.is_past_at(Instant::now()))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            let outcome = self.unsettled();
            if let Some(ticket) = self.ticket.take() {
                self.shared.settle(ticket, outcome.into());
            }
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("ticket", &self.ticket)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
