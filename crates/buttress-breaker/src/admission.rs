//! Leave to make one call, settled exactly once.

use std::{fmt, thread};

use buttress_core::{Deadline, Outcome};
use tokio::time::Instant;

use crate::{
    Abandoned, BreakerHandle,
    circuit::{Ticket, Verdict},
};

/// Leave to make one call.
///
/// It is settled exactly once: by [`Admission::settle`], or else when it is dropped, as
/// panicked or abandoned.
///
/// It is made in its place and acted on there: what is written in small parts and then moved as a
/// whole makes the processor wait for its own writes, and took half the time of a call.
pub(crate) struct Admission {
    circuit: BreakerHandle,
    // None once it was settled.
    ticket: Option<Ticket>,
    limit: Limit,
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

/// Until when the call is of use, as it was known when it began.
#[derive(Debug, Clone, Copy)]
enum Limit {
    None,
    At(Deadline),
    /// It had passed before: then being cut says nothing, for the dependency had no time, and that
    /// it was used up elsewhere is not its fault.
    Passed,
}

impl Admission {
    #[inline]
    pub(crate) fn new(circuit: BreakerHandle, ticket: Ticket) -> Self {
        let limit = match Deadline::current() {
            None => Limit::None,
            Some(deadline) if deadline.is_past() => Limit::Passed,
            Some(deadline) => Limit::At(deadline),
        };
        Self { circuit, ticket: Some(ticket), limit, awaits: Awaits::Head }
    }

    /// Tells the observer what the admission has brought about, now that the ticket can not be
    /// lost, whatever he does.
    #[inline]
    pub(crate) fn tell(&self) {
        self.circuit.shared().tell();
    }

    /// Runs foreign code; that it panics settles the call as this.
    #[inline]
    pub(crate) fn watch<R>(&mut self, panicked: Outcome, run: impl FnOnce() -> R) -> R {
        let watch = Watch { admission: self, panicked };
        let result = run();
        std::mem::forget(watch);
        result
    }

    /// The response's head was good: what the call comes to is known at the response's end. None if
    /// it is settled.
    #[inline]
    pub(crate) fn follow(mut self) -> Option<Self> {
        self.awaits = Awaits::Reader;
        self.ticket.is_some().then_some(self)
    }

    /// What a good response waits for now.
    pub(crate) fn awaits(&mut self, awaits: Awaits) {
        self.awaits = awaits;
    }

    /// Settles it as this.
    #[inline]
    pub(crate) fn settle(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.shared().settle(ticket, verdict);
        }
    }

    /// What it means that nobody settled it.
    fn unsettled(&self) -> Outcome {
        if self.awaits != Awaits::Head {
            // A body panics while it is polled by its reader, who drops it as the panic passes. Cut,
            // the dependency took too long; else the reader has left, which says nothing about it
            // that its head has not said.
            let failed = thread::panicking() || self.was_cut();
            return if failed { Outcome::Failure } else { Outcome::Success };
        }
        let failed = match self.circuit.shared().settings().abandoned {
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
        self.circuit.shared().settings().conditions.is_slow(took)
    }

    /// Whether a limit drops it while the dependency is waited for: its own deadline has passed, or
    /// that under which it is dropped, as when a limit on a phase of the call cuts it.
    fn was_cut(&self) -> bool {
        let own = match self.limit {
            Limit::None => None,
            Limit::At(deadline) => Some(deadline),
            Limit::Passed => return false,
        };
        self.awaits != Awaits::Reader
            && Deadline::sooner(own, Deadline::current())
                .is_some_and(|deadline| deadline.is_past_at(Instant::now()))
    }

    #[cold]
    fn abandon(&mut self) {
        let outcome = self.unsettled();
        self.settle(outcome.into());
    }
}

impl Drop for Admission {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.abandon();
        }
    }
}

/// Dropped only by a panic.
struct Watch<'a> {
    admission: &'a mut Admission,
    panicked: Outcome,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.admission.settle(self.panicked.into());
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("ticket", &self.ticket)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
