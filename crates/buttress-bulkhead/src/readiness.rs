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
    place: Place,
    claim: Claim,
}

enum Place {
    None,
    Waiting(Turn),
    Taken(Permit),
}

/// What was claimed for the next call.
pub(crate) enum Claimed {
    Place(Permit),
    Error(BoxError),
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
        Self { bulkhead, place: Place::None, claim: Claim::default() }
    }

    fn poll<S, Req>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        if let Place::None = self.place {
            self.place = match Turn::ask(&self.bulkhead, Instant::now()) {
                Asked::Admitted(permit) => Place::Taken(permit),
                Asked::Waiting(turn) => Place::Waiting(turn),
                // Then the call is refused.
                Asked::Full(_) => return Poll::Ready(()),
            };
        }
        if let Place::Waiting(turn) = &mut self.place {
            self.place = Place::Taken(ready!(turn.poll(cx)));
        }
        self.claim.poll(inner, cx)
    }

    /// Uses up the place, and what the inner service was asked for.
    fn take(&mut self) -> Option<Claimed> {
        let place = mem::replace(&mut self.place, Place::None);
        if let Some(error) = self.claim.take_error() {
            return Some(Claimed::Error(error));
        }
        // The inner service was asked only once there was a place: where there is none it holds nothing.
        match place {
            Place::Taken(permit) => Some(Claimed::Place(permit)),
            Place::None | Place::Waiting(_) => None,
        }
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
