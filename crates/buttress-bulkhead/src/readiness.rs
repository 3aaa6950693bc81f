//! What `poll_ready` says, where it is to wait for a place.

use std::{
    fmt, mem,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Claim};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    BulkheadHandle, Permit,
    turn::{Asked, Turn},
};

/// What `poll_ready` says: always "ready", or that there is a place.
#[derive(Default)]
pub(crate) struct Readiness {
    // Boxed, for most services have none.
    gate: Option<Box<Gate>>,
}

/// Waits for a place, and then for the inner service.
struct Gate {
    bulkhead: BulkheadHandle,
    held: Held,
    claim: Claim,
}

/// What is held of the bulkhead.
enum Held {
    Nothing,
    Turn(Turn),
    Place(Permit),
}

/// What was claimed for the next call.
pub(crate) enum Claimed {
    Place(Permit),
    /// There was a place, but no inner service.
    Error(BoxError, Permit),
}

impl Readiness {
    /// Waits for places of this one.
    pub(crate) fn new(bulkhead: BulkheadHandle) -> Self {
        Self { gate: Some(Box::new(Gate::new(bulkhead))) }
    }

    pub(crate) fn poll<S, Req>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        match &mut self.gate {
            None => Poll::Ready(()),
            Some(gate) => gate.poll(inner, cx),
        }
    }

    /// What was claimed for the call that comes now.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Claimed> {
        self.gate.as_mut()?.take()
    }
}

impl Gate {
    fn new(bulkhead: BulkheadHandle) -> Self {
        Self { bulkhead, held: Held::Nothing, claim: Claim::default() }
    }

    fn poll<S, Req>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        if let Held::Nothing = self.held {
            self.held = match Permit::try_enter(self.bulkhead.clone()) {
                Ok(permit) => Held::Place(permit),
                Err(_) => match Turn::ask(&self.bulkhead, Instant::now()) {
                    Asked::Admitted(permit) => Held::Place(permit),
                    Asked::Waiting(turn) => Held::Turn(turn),
                    // Then the call is refused.
                    Asked::Full(_) => return Poll::Ready(()),
                },
            };
        }
        if let Held::Turn(turn) = &mut self.held {
            ready!(turn.poll(cx));
            if let Held::Turn(turn) = mem::replace(&mut self.held, Held::Nothing) {
                self.held = Held::Place(turn.take());
            }
        }
        self.claim.poll(inner, cx)
    }

    /// Uses up the place, and what the inner service was asked for.
    fn take(&mut self) -> Option<Claimed> {
        let held = mem::replace(&mut self.held, Held::Nothing);
        let error = self.claim.take_error();
        // The inner service was asked only once there was a place: where there is none it holds nothing.
        let Held::Place(permit) = held else { return None };
        Some(match error {
            Some(error) => Claimed::Error(error, permit),
            None => Claimed::Place(permit),
        })
    }
}

/// What one has waited for and been promised is not its clone's.
impl Clone for Readiness {
    fn clone(&self) -> Self {
        let gate = self.gate.as_ref();
        Self { gate: gate.map(|gate| Box::new(Gate::new(gate.bulkhead.clone()))) }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("asks", &self.gate.is_some()).finish()
    }
}
