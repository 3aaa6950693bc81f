//! What `poll_ready` says, where it is to say what `call` is going to do.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Claim};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::{BreakerHandle, circuit::Admittance};

/// What `poll_ready` says: always "ready", or what `call` is going to do.
#[derive(Default)]
pub(crate) struct Readiness {
    // Boxed, for most services have none.
    gate: Option<Box<Gate>>,
}

/// Waits until a call would be let in, and for the inner service.
struct Gate {
    /// None if each request may have another.
    circuit: Option<BreakerHandle>,
    /// The place among those who wait for the circuit.
    place: Option<u64>,
    timer: Option<Pin<Box<Sleep>>>,
    claim: Claim,
}

impl Readiness {
    /// If it is asked for; what `call` is going to do is up to this circuit, if there is just
    /// one, and the inner service.
    pub(crate) fn new(asked_for: bool, circuit: impl FnOnce() -> Option<BreakerHandle>) -> Self {
        Self { gate: asked_for.then(|| Box::new(Gate::new(circuit()))) }
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

    /// A call is let in, which uses up what the inner service was asked for: with its error, or else
    /// its readiness.
    pub(crate) fn take_error(&mut self) -> Option<BoxError> {
        self.gate.as_mut()?.claim.take_error()
    }

    /// A call is refused: what the inner service may hold for it is given back.
    pub(crate) fn release<S: Clone>(&mut self, inner: &mut S) {
        if let Some(gate) = &mut self.gate {
            gate.claim.release(inner);
        }
    }
}

impl Gate {
    fn new(circuit: Option<BreakerHandle>) -> Self {
        Self { circuit, place: None, timer: None, claim: Claim::default() }
    }

    fn poll<S, Req>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        while let Admittance::Later(until) = self.admittance(cx) {
            // One that waits here is not to hold a place of the inner service in vain.
            self.claim.release(inner);
            let Some(until) = until else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.claim.poll(inner, cx)
    }

    fn admittance(&mut self, cx: &mut Context<'_>) -> Admittance {
        let Some(circuit) = &self.circuit else { return Admittance::Now };
        let place = &mut self.place;
        circuit.shared().operate(|circuit| circuit.admittance(place, cx.waker(), Instant::now))
    }
}

/// What one has waited for and been promised is not its clone's.
impl Clone for Readiness {
    fn clone(&self) -> Self {
        let gate = self.gate.as_ref();
        Self { gate: gate.map(|gate| Box::new(Gate::new(gate.circuit.clone()))) }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let (Some(circuit), Some(place)) = (&self.circuit, self.place) {
            circuit.shared().operate(|circuit| circuit.leave(place));
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("asks", &self.gate.is_some()).finish()
    }
}
