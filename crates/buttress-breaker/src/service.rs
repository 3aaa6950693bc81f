//! The service.

use std::{
    fmt,
    task::{Context, Poll},
};

use buttress_core::{Allowance, Anchor, BoxError, Classify, Follow, Plain, ReadyCall};
use tower_service::Service;

use crate::{
    BreakerFollower, Circuits, OneCircuit, ResponseFuture, admission::Admission, future::Other,
    readiness::Readiness,
};

/// A service that is left alone while it fails; made by [`BreakerLayer`](crate::BreakerLayer).
#[derive(Clone)]
pub struct Breaker<S, P = Plain, C = OneCircuit> {
    inner: S,
    circuits: C,
    protocol: P,
    readiness: Readiness,
    is_off: bool,
}

impl<S, P, C> Breaker<S, P, C> {
    pub(crate) fn new(
        inner: S,
        circuits: C,
        protocol: P,
        readiness: Readiness,
        is_off: bool,
    ) -> Self {
        Self { inner, circuits, protocol, readiness, is_off }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, out of this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, P, C> Service<Req> for Breaker<S, P, C>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Follow<S::Response> + Clone,
    C: Circuits<Req>,
{
    type Response = P::Response<BreakerFollower>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready, unless [told otherwise](crate::BreakerLayerBuilder::readiness): the inner
    /// service's readiness is claimed inside a call that was admitted, so that an open breaker
    /// neither waits for it nor holds it.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.readiness.poll(&mut self.inner, cx).map(Ok)
    }

    // Not inlined, so that it writes its future where that stays: see `Anchor`.
    #[inline(never)]
    fn call(&mut self, request: Req) -> Self::Future {
        if self.is_off {
            let call = Box::pin(ReadyCall::start(&mut self.inner, request));
            return ResponseFuture::other(Other::Unasked(call), self.protocol.clone());
        }
        let circuit = self.circuits.circuit(&request);
        let ticket = match circuit.shared().admit() {
            Ok(ticket) => ticket,
            Err(error) => {
                // Before it is told: whoever is told finds it free.
                self.readiness.release(&mut self.inner);
                circuit.shared().tell_refusal(&error);
                return ResponseFuture::other(Other::refused(error), self.protocol.clone());
            }
        };
        let circuit = circuit.into_hold();
        Admission::tell(&circuit, &ticket);
        if let Some(error) = self.readiness.take_error() {
            let circuit = Anchor::new(circuit).anchored();
            let mut admission = Admission::new(circuit, ticket, Allowance::current());
            let error = admission.settle_error(|| {
                let judgement = self.protocol.classify(Err(&error));
                (error, judgement)
            });
            return ResponseFuture::other(Other::refused(error), self.protocol.clone());
        }
        ResponseFuture::start(&mut self.inner, request, circuit, ticket, &self.protocol)
    }
}

impl<S: fmt::Debug, P, C: fmt::Debug> fmt::Debug for Breaker<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("inner", &self.inner)
            .field("layer", &self.circuits)
            .finish_non_exhaustive()
    }
}
