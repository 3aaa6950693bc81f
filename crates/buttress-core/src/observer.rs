//! Who is told what happened.

use std::error::Error;

use crate::{Event, EventKind};

/// Is told what happens in a layer.
///
/// It is called where the event happens, on the path of a call that went wrong, and also where
/// that call is dropped: it must neither block nor panic. A closure is an observer, and a pair of
/// observers is one.
///
/// ```
/// use buttress_core::{Event, Observer, Tracing};
///
/// let both = (Tracing, |event: &Event<'_>| println!("{}", event.name));
/// # fn is_observer(_: impl Observer) {}
/// # is_observer(both);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be told what happens",
    note = "an observer is a closure `|event: &Event<'_>| …` that is `Send + Sync + 'static`, `Tracing`, or \
            a pair of observers"
)]
pub trait Observer: Send + Sync + 'static {
    /// Takes note of `event`.
    fn observe(&self, event: &Event<'_>);
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<F> Observer for F
where
    F: Fn(&Event<'_>) + Send + Sync + 'static,
{
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, event: &Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }
}

/// The default observer: writes each event to `tracing`, under the target `buttress`.
///
/// Changes of a circuit are warnings, for they are rare and matter to an operator; and so are, once a
/// minute, tiers of a fallback that fail and answers that could not be stored. What happens per call
/// while a dependency is down is at debug level: an outage should not be followed by a flood of logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tracing;

impl Observer for Tracing {
    fn observe(&self, event: &Event<'_>) {
        // Most are of calls that failed, and nobody listens: not even copied.
        let Event { layer, name, kind } = event;
        match *kind {
            EventKind::Rejected(rejection) => {
                tracing::debug!(target: "buttress", layer, name, %rejection, "rejected");
            }
            EventKind::Retrying { attempt, delay, cause } => {
                let cause = cause.map(tracing::field::display::<&(dyn Error + 'static)>);
                tracing::debug!(target: "buttress", layer, name, attempt, ?delay, cause, "retrying");
            }
            EventKind::GaveUp { attempts, why } => {
                tracing::debug!(target: "buttress", layer, name, attempts, %why, "gave up");
            }
            EventKind::CircuitChanged { from, to, why } => {
                let why = why.map(tracing::field::display);
                tracing::warn!(target: "buttress", layer, name, %from, %to, why, "circuit changed");
            }
            EventKind::FallingBack { judgement, cause } => {
                let outcome = judgement.outcome;
                let cause = cause.map(tracing::field::display::<&(dyn Error + 'static)>);
                tracing::debug!(target: "buttress", layer, name, ?outcome, cause, "falling back");
            }
            EventKind::Served { tier, age } => {
                let age = age.map(tracing::field::debug);
                tracing::debug!(target: "buttress", layer, name, tier, age, "served degraded");
            }
            EventKind::Missed { tier } => {
                tracing::debug!(target: "buttress", layer, name, tier, "nothing remembered");
            }
            EventKind::TierFailed { tier, cause, again: true } => {
                let cause = tracing::field::display(cause);
                tracing::debug!(target: "buttress", layer, name, tier, cause, "tier failed");
            }
            EventKind::TierFailed { tier, cause, again: false } => {
                let cause = tracing::field::display(cause);
                tracing::warn!(target: "buttress", layer, name, tier, cause, "tier failed");
            }
            EventKind::NotStored { tier, cause, again: false } => {
                let cause = tracing::field::display(cause);
                tracing::warn!(target: "buttress", layer, name, tier, cause, "not stored");
            }
            EventKind::NotStored { tier, cause, again: true } => {
                let cause = tracing::field::display(cause);
                tracing::debug!(target: "buttress", layer, name, tier, cause, "not stored");
            }
            EventKind::Ignored { field, value } => {
                tracing::debug!(target: "buttress", layer, name, field, ?value, "ignored");
            }
            EventKind::Injected { fault } => {
                tracing::debug!(target: "buttress", layer, name, fault, "fault injected");
            }
        }
    }
}
