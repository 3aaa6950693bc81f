//! Leave to make one call, settled exactly once.

use std::{fmt, thread, time::Duration};

use buttress_core::{Allowance, Anchor, Anchored, BoxError, Judgement, Outcome};
use tokio::time::Instant;

use crate::{
    Abandoned,
    circuit::{Ticket, Verdict},
    hold::Hold,
};

/// Leave to make one call.
///
/// It is settled exactly once: by [`Admission::settle`], or else when it is dropped, as
/// panicked or abandoned.
///
/// It is made in its place and acted on there: what is written in small parts and then moved as a
/// whole makes the processor wait for its own writes, and took half the time of a call.
pub(crate) struct Admission {
    circuit: Anchored<Hold>,
    // None once it was settled.
    ticket: Option<Ticket>,
    allowance: Allowance,
}

/// What goes on with a response whose head was good, and so whose time it is that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The dependency is to give a frame that the reader has asked for.
    Frame,
    /// The reader has what he asked for, and takes his time.
    Reader,
}

impl Admission {
    /// Calls the inner service by `call`, with this ticket; that it panics settles it as a failure.
    #[inline]
    pub(crate) fn enter<Req, R>(
        circuit: &mut Anchor<Hold>,
        ticket: &Ticket,
        request: Req,
        call: impl FnOnce(Req) -> R,
    ) -> R {
        let twin = ticket.twin();
        let panicked =
            move |hold: &Hold| hold.shared().settle(twin.twin(), Outcome::Failure.into());
        circuit.call_or(panicked, request, call)
    }

    /// That of a call that has begun, with the time that it had then.
    #[inline]
    pub(crate) fn new(circuit: Anchored<Hold>, ticket: Ticket, allowance: Allowance) -> Self {
        Self { circuit, ticket: Some(ticket), allowance }
    }

    /// Tells of what came of the admission, now that the ticket can not be lost, whatever the observer
    /// does.
    #[inline]
    pub(crate) fn tell(circuit: &Hold, ticket: &Ticket) {
        if circuit.shared().circuit.has_news() {
            Self::tell_news(circuit, ticket);
        }
    }

    #[cold]
    fn tell_news(circuit: &Hold, ticket: &Ticket) {
        let telling = Telling { circuit, ticket };
        circuit.shared().tell();
        std::mem::forget(telling);
    }

    /// Runs foreign code; that it panics settles the call as this.
    #[inline]
    pub(crate) fn watch<R>(&mut self, panicked: Outcome, run: impl FnOnce() -> R) -> R {
        let watch = Watch { admission: self, panicked };
        let result = run();
        std::mem::forget(watch);
        result
    }

    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.ticket.is_none()
    }

    /// Whether it matters how long the call takes.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.ticket.as_ref().is_some_and(Ticket::is_timed)
    }

    /// Takes this off the time that the call takes.
    pub(crate) fn discount(&mut self, time: Duration) {
        if let Some(ticket) = &mut self.ticket {
            ticket.discount(time);
        }
    }

    /// Settles it as this.
    #[inline]
    pub(crate) fn settle(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.shared().settle(ticket, verdict);
        }
    }

    /// Settles it as what is to say about its error, and gives that.
    #[cold]
    pub(crate) fn settle_error(
        &mut self,
        judge: impl FnOnce() -> (BoxError, Judgement),
    ) -> BoxError {
        let (error, judgement) = self.watch(Outcome::Neutral, judge);
        self.settle(judgement.into());
        error
    }

    /// Settles it, if nobody has, as one whose good response is dropped before its end.
    #[cold]
    pub(crate) fn abandon_response(&mut self, awaits: Awaits) {
        // A body panics while it is polled by its reader, who drops it as the panic passes. Cut, the
        // dependency took too long; else the reader has left, which says nothing about it that its
        // head has not said.
        let failed = thread::panicking() || (awaits == Awaits::Frame && self.was_cut());
        self.settle(if failed { Outcome::Failure } else { Outcome::Success }.into());
    }

    /// Settles it as one that is dropped before the head of its response.
    #[cold]
    fn abandon(&mut self) {
        let failed = match self.circuit.shared().settings().abandoned {
            Abandoned::FailedIfLate => self.was_cut() || self.is_slow(),
            Abandoned::Failed => true,
            Abandoned::Neutral => false,
        };
        self.settle(if failed { Outcome::Failure } else { Outcome::Neutral }.into());
    }

    /// Whether it takes longer than a call should, where that counts.
    fn is_slow(&self) -> bool {
        let circuit = &self.circuit.shared().circuit;
        self.ticket.as_ref().is_some_and(|ticket| circuit.is_slow(ticket, Instant::now))
    }

    /// Whether it is a limit that drops it.
    pub(crate) fn was_cut(&self) -> bool {
        self.allowance.is_used_up()
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

/// Dropped only by a panic of the observer.
struct Telling<'a> {
    circuit: &'a Hold,
    ticket: &'a Ticket,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.circuit.shared().settle(self.ticket.twin(), Outcome::Neutral.into());
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
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}
