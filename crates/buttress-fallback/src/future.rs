//! The future of a call that has alternatives.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{
    Anchor, Anchored, BoxError, Classify, EventKind, Outcome, ReadyCall, Stripe, Substitute,
};
use pin_project::pin_project;
use tower_service::Service;

use crate::{descent::Descent, layer::Shared};

/// The future of [`Fallback`](crate::Fallback).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, V, Alt, P> {
    // None once it is over.
    #[pin]
    call: Option<ReadyCall<S, Req>>,
    course: Course<S::Response, V, Alt>,
    shared: Anchored<Stripe<Shared<V, Alt>>>,
    protocol: P,
}

/// What becomes of a call that has not gone well.
enum Course<Res, V, Alt> {
    /// It falls back, with what was kept of the request.
    Fall(V),
    /// Nothing, for the layer is switched off.
    Pass,
    /// It is falling.
    // Boxed: a call that goes well does not pay for the room of what it never holds.
    Falling(Box<Descent<Res, V, Alt>>),
    Done,
}

impl<S: Service<Req> + Clone, Req, V, Alt, P> ResponseFuture<S, Req, V, Alt, P> {
    /// Calls `inner`; by this view there are alternatives.
    #[inline]
    pub(crate) fn start(
        inner: &mut S,
        request: Req,
        view: Option<V>,
        shared: Arc<Stripe<Shared<V, Alt>>>,
        protocol: &P,
    ) -> Self
    where
        P: Clone,
    {
        let mut shared = Anchor::new(shared);
        let call = shared.call(request, |request| ReadyCall::start(inner, request));
        let (course, shared) = (view.map_or(Course::Pass, Course::Fall), shared.anchored());
        Self { call: Some(call), course, shared, protocol: protocol.clone() }
    }
}

impl<S, Req, V, Alt, P> Future for ResponseFuture<S, Req, V, Alt, P>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Substitute<S::Response, Alt>,
    Alt: 'static,
{
    type Output = Result<P::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(call) = this.call.as_mut().as_pin_mut() {
            // The inner call ends before a tier begins, which finds free what it held: a tier
            // may well go through the same limit.
            let (result, view, judgement) = match ready!(call.poll(cx)) {
                Ok(response) => {
                    this.call.set(None);
                    let Course::Fall(view) = mem::replace(this.course, Course::Done) else {
                        return Poll::Ready(Ok(this.protocol.original(response)));
                    };
                    let judgement = this.protocol.classify(Ok(&response));
                    if judgement.outcome == Outcome::Success {
                        return Poll::Ready(Ok(match this.shared.recording(&view) {
                            Some(recording) => this.protocol.record(response, recording),
                            None => this.protocol.original(response),
                        }));
                    }
                    (Ok(response), view, judgement)
                }
                Err(error) => {
                    this.call.set(None);
                    let error = error.into();
                    let Course::Fall(view) = mem::replace(this.course, Course::Done) else {
                        return Poll::Ready(Err(error));
                    };
                    let judgement = this.protocol.classify(Err(&error));
                    (Err(error), view, judgement)
                }
            };
            let shared: &Shared<V, Alt> = this.shared;
            let error = result.as_ref().err();
            if !shared.steps_in(&judgement, error) {
                return Poll::Ready(result.map(|response| this.protocol.original(response)));
            }
            let cause = error.map(|error| error.as_ref() as _);
            shared.reporter.report(EventKind::FallingBack { judgement, cause });
            let descent = Box::new(Descent::new(result, judgement, view));
            *this.course = Course::Falling(descent);
        }
        this.course.poll(this.protocol, this.shared, cx)
    }
}

impl<Res, V, Alt: 'static> Course<Res, V, Alt> {
    /// Goes through the tiers.
    #[cold]
    fn poll<P: Substitute<Res, Alt>>(
        &mut self,
        protocol: &P,
        shared: &Shared<V, Alt>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<P::Response, BoxError>> {
        let Self::Falling(descent) = self else {
            panic!("ResponseFuture polled after it completed")
        };
        let served = ready!(descent.poll(protocol, shared, cx));
        let ended = mem::replace(self, Self::Done);
        Poll::Ready(match (served, ended) {
            (Some(response), _) => Ok(response),
            (None, Self::Falling(descent)) => {
                let original = descent.into_original().expect("no tier has served");
                original.map(|response| protocol.original(response))
            }
            (None, _) => unreachable!("it was falling"),
        })
    }
}

impl<S: Service<Req>, Req, V, Alt, P> fmt::Debug for ResponseFuture<S, Req, V, Alt, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
