//! The changes of a circuit, as they happen.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{CircuitState, Trip};
use futures_core::Stream;
use tokio::{sync::mpsc, time::Instant};

use crate::circuit::Change;

/// How far behind a subscriber may be.
const BACKLOG: usize = 1_000;

/// A change of a circuit's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: CircuitState,
    /// The state from then on.
    pub to: CircuitState,
    /// Why, if it opened.
    pub why: Option<Trip>,
    /// When it happened: what time alone brings, when it was due, however late it was noticed.
    pub at: Instant,
    /// The generation that began with it.
    pub generation: u64,
}

/// The changes of one circuit from now on, in their order; made by
/// [`BreakerHandle::subscribe`](crate::BreakerHandle::subscribe).
///
/// A [`Stream`], which ends when the circuit is gone, that is, its layer, every service and every
/// handle; for one of many keys also when that is forgotten. It also ends for a subscriber that is a thousand changes behind, once he has read
/// those: one who does not read is not to cost ever more memory.
///
/// What time alone brings is noticed by the next call, or the next look through a handle.
#[derive(Debug)]
pub struct Transitions {
    receiver: mpsc::Receiver<Transition>,
}

impl Transition {
    pub(crate) fn new(change: Change) -> Self {
        let Change { from, to, generation, why, at } = change;
        Self { from, to, why, at, generation }
    }
}

impl Transitions {
    /// The next change; `None` when the stream has ended.
    ///
    /// Dropped while it waits, it loses nothing.
    pub async fn next(&mut self) -> Option<Transition> {
        self.receiver.recv().await
    }
}

impl Stream for Transitions {
    type Item = Transition;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.receiver.poll_recv(cx)
    }
}

/// The other end.
pub(crate) mod subscription {
    use super::{BACKLOG, Transition, Transitions, mpsc};

    pub(crate) type Sender = mpsc::Sender<Transition>;

    pub(crate) fn new() -> (Sender, Transitions) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (sender, Transitions { receiver })
    }

    /// Whether the subscriber is still there, and not too far behind.
    pub(crate) fn send(sender: &Sender, transition: Transition) -> bool {
        sender.try_send(transition).is_ok()
    }
}
