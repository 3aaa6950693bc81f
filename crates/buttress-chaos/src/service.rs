//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ConfigError, Plain, ReadyCall, Spoil};
use tower_service::Service;

use crate::{
    All, Control, ResponseFuture, Selection, Uncontrolled,
    draw::Injection,
    future::{Struck, Then},
    pause::Pause,
    readiness::Readiness,
    shared::Shared,
};

/// A service whose calls are struck by faults; made by [`ChaosLayer`](crate::ChaosLayer).
#[derive(Clone)]
pub struct Chaos<S, P = Plain, Q = All, C = Uncontrolled> {
    inner: S,
    shared: Arc<Shared>,
    protocol: P,
    selection: Q,
    control: C,
    readiness: Readiness,
}

impl<S, P, Q, C> Chaos<S, P, Q, C> {
    pub(crate) fn new(
        inner: S,
        shared: Arc<Shared>,
        protocol: P,
        selection: Q,
        control: C,
    ) -> Self {
        Self { inner, shared, protocol, selection, control, readiness: Readiness::default() }
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

    /// What strikes this request, if anything may.
    fn injection<Req, Res>(&self, request: &mut Req) -> Result<Option<Injection>, ConfigError>
    where
        P: Spoil<Req, Res>,
        Q: Selection<Req>,
        C: Control<Req>,
    {
        let shared = &self.shared;
        if shared.switch.stays_off() {
            return Ok(None);
        }
        if let Some(own) = self.control.faults(request, &self.protocol)? {
            own.check(shared.panics_allowed)?;
            return Ok(Some(Shared::strike(&own)));
        }
        if !shared.switch.is_on() {
            return Ok(None);
        }
        let faults = shared.in_force().filter(|_| self.selection.selects(request));
        Ok(faults.map(|faults| shared.draw(&faults)))
    }
}

impl<S, P: Clone, Q, C> Chaos<S, P, Q, C> {
    /// The call of a request that may be struck.
    #[cold]
    fn strike<Req>(&mut self, request: Req, injection: &Injection) -> ResponseFuture<S, Req, P>
    where
        S: Service<Req> + Clone,
    {
        let (shared, protocol) = (&self.shared, self.protocol.clone());
        let pause = injection.delay.map(|delay| {
            shared.tell("latency");
            Pause::new(delay)
        });
        let then = match (injection.fate(), &pause) {
            (None, None) => {
                let call = ReadyCall::start(&mut self.inner, request);
                return ResponseFuture::running(call, injection.body.spoiling(shared), protocol);
            }
            (None, Some(_)) => Then::Call(self.inner.clone(), request, injection.body),
            (Some(fate), _) => Then::End(fate),
        };
        ResponseFuture::struck(Struck { pause, then, shared: Arc::clone(shared) }, protocol)
    }
}

impl<S, Req, P, Q, C> Service<Req> for Chaos<S, P, Q, C>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Spoil<Req, S::Response> + Clone,
    Q: Selection<Req>,
    C: Control<Req>,
{
    type Response = P::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, P>;

    /// Always ready, unless faults of [readiness](crate::Faults::unready) are in force: the inner
    /// service's readiness is claimed inside the call, after its faults.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.readiness.poll(&self.shared, cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        self.readiness.called();
        match self.injection(&mut request) {
            Ok(None) => {
                let call = ReadyCall::start(&mut self.inner, request);
                ResponseFuture::running(call, None, self.protocol.clone())
            }
            Ok(Some(injection)) => self.strike(request, &injection),
            Err(unread) => ResponseFuture::failed(unread.into(), self.protocol.clone()),
        }
    }
}

impl<S: fmt::Debug, P, Q, C> fmt::Debug for Chaos<S, P, Q, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish_non_exhaustive()
    }
}
