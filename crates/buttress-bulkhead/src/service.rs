//! The service.

use std::{
    fmt,
    task::{Context, Poll},
};

use buttress_core::{Allowance, BoxError, Classify, Deadline, Follow, Plain};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    BulkheadHandle, Compartments, InPlace, OneCompartment, Permit, ResponseFuture, Runner,
    counts::Figures,
    readiness::{Claimed, Readiness},
    turn::{Asked, Turn},
    wait::{Patience, Wait},
};

/// A service with a bounded number of calls at once; made by
/// [`BulkheadLayer`](crate::BulkheadLayer).
#[derive(Clone)]
pub struct Bulkhead<S, P = Plain, C = OneCompartment, R = InPlace> {
    inner: S,
    compartments: C,
    protocol: P,
    runner: R,
    readiness: Readiness,
    is_off: bool,
}

impl<S, P, C, R> Bulkhead<S, P, C, R> {
    pub(crate) fn new(
        inner: S,
        compartments: C,
        protocol: P,
        runner: R,
        readiness: Readiness,
        is_off: bool,
    ) -> Self {
        Self { inner, compartments, protocol, runner, readiness, is_off }
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

impl<S, P: Clone, C, R: Clone> Bulkhead<S, P, C, R> {
    /// The call that found no free place: it waits for one, or is refused.
    #[cold]
    fn call_later<Req>(
        &mut self,
        bulkhead: &BulkheadHandle,
        figures: Figures,
        request: Req,
    ) -> ResponseFuture<S, Req, P, R>
    where
        S: Service<Req> + Clone,
        R: Runner<S, Req>,
    {
        let (shared, protocol) = (bulkhead.shared(), self.protocol.clone());
        let max_wait = shared.settings().max_wait;
        if max_wait.is_zero() {
            let rejection = shared.reject_as_full(figures);
            return ResponseFuture::refused(rejection.into(), protocol);
        }
        let now = Instant::now();
        let patience = Patience::new(max_wait, Deadline::current(), now);
        if patience.is_pointless_at(now) {
            return ResponseFuture::refused(shared.reject_as_pointless().into(), protocol);
        }
        match Turn::ask(bulkhead, now) {
            Asked::Admitted(permit) => {
                ResponseFuture::running(&self.runner, &mut self.inner, request, permit, protocol)
            }
            Asked::Waiting(turn) => {
                let (wait, service) = (Wait::new(turn, patience), self.inner.clone());
                ResponseFuture::waiting(wait, self.runner.clone(), service, request, protocol)
            }
            Asked::Full(figures) => {
                ResponseFuture::refused(shared.reject_as_full(figures).into(), protocol)
            }
        }
    }
}

impl<S, Req, P, C, R> Service<Req> for Bulkhead<S, P, C, R>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Follow<S::Response> + Clone,
    C: Compartments<Req>,
    R: Runner<S, Req> + Clone,
{
    type Response = P::Response<Permit>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P, R>;

    /// Always ready, unless [told otherwise](crate::BulkheadLayerBuilder::backpressure): the place
    /// is taken inside the call, and the inner service's readiness is claimed once there is one.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.readiness.poll(&mut self.inner, cx).map(Ok)
    }

    // Not inlined, so that it writes its future into that of the layer outside: see `Anchor`.
    #[inline(never)]
    fn call(&mut self, request: Req) -> Self::Future {
        let permit = match self.readiness.take() {
            // Without a place nothing is counted, nor run elsewhere.
            None if self.is_off => Permit::default(),
            None => {
                let bulkhead = match self.compartments.compartment(&request) {
                    Ok(bulkhead) => bulkhead,
                    Err(unknown) => {
                        return ResponseFuture::refused(unknown, self.protocol.clone());
                    }
                };
                match Permit::try_enter(bulkhead) {
                    Ok(permit) => permit,
                    Err((bulkhead, figures)) => {
                        return self.call_later(&bulkhead, figures, request);
                    }
                }
            }
            Some(Claimed::Place(permit)) => permit,
            Some(Claimed::Error(error, mut permit)) => {
                permit.measure(Allowance::current);
                permit.begin();
                if permit.is_measured() {
                    permit.judge(self.protocol.classify(Err(&error)));
                }
                return ResponseFuture::refused(error, self.protocol.clone());
            }
        };
        let protocol = self.protocol.clone();
        ResponseFuture::running(&self.runner, &mut self.inner, request, permit, protocol)
    }
}

impl<S: fmt::Debug, P, C: fmt::Debug, R> fmt::Debug for Bulkhead<S, P, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("inner", &self.inner)
            .field("layer", &self.compartments)
            .finish_non_exhaustive()
    }
}
