//! The future of a call that has alternatives.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Classify, EventKind, Outcome, ReadyCall, Substitute};
use pin_project::pin_project;
use tower_service::Service;

use crate::{descent::Descent, layer::Shared};

/// The future of [`Fallback`](crate::Fallback).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, V, Alt, P> {
    #[pin]
    state: State<S, Req, V, Alt>,
    shared: Arc<Shared<V, Alt>>,
    protocol: P,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req, V, Alt> {
    Calling {
        #[pin]
        call: ReadyCall<S, Req>,
        view: V,
    },
    // Of a layer that is switched off.
    Passing {
        #[pin]
        call: ReadyCall<S, Req>,
    },
    // Boxed: a call that goes well does not pay for the room of what it never holds.
    Falling(Box<Descent<S::Response, V, Alt>>),
    Done,
}

impl<S: Service<Req>, Req, V, Alt, P> ResponseFuture<S, Req, V, Alt, P> {
    pub(crate) fn new(
        call: ReadyCall<S, Req>,
        view: V,
        shared: Arc<Shared<V, Alt>>,
        protocol: P,
    ) -> Self {
        Self { state: State::Calling { call, view }, shared, protocol }
    }

    /// A call that has no alternatives.
    #[cold]
    pub(crate) fn passing(
        call: ReadyCall<S, Req>,
        shared: Arc<Shared<V, Alt>>,
        protocol: P,
    ) -> Self {
        Self { state: State::Passing { call }, shared, protocol }
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProj::Calling { call, .. } = this.state.as_mut().project() {
            let result = ready!(call.poll(cx)).map_err(Into::into);
            // The inner call ends before a tier begins, which finds free what it held: a tier
            // may well go through the same limit.
            let ended = this.state.as_mut().project_replace(State::Done);
            let judgement = this.protocol.classify(result.as_ref());
            let error = result.as_ref().err();
            match ended {
                StateOwned::Calling { view, .. } if this.shared.steps_in(&judgement, error) => {
                    let cause = error.map(|error| error.as_ref() as _);
                    this.shared.reporter.report(EventKind::FallingBack { judgement, cause });
                    let descent = Box::new(Descent::new(result, judgement, view));
                    this.state.set(State::Falling(descent));
                }
                StateOwned::Calling { view, .. }
                    if this.shared.remembers.is_some() && judgement.outcome == Outcome::Success =>
                {
                    return Poll::Ready(result.map(|response| match this.shared.record(&view) {
                        Some(recording) => this.protocol.record(response, recording),
                        None => this.protocol.original(response),
                    }));
                }
                _ => return Poll::Ready(result.map(|response| this.protocol.original(response))),
            }
        }
        let descent = match this.state.as_mut().project() {
            StateProj::Falling(descent) => descent,
            StateProj::Passing { call } => {
                let result = ready!(call.poll(cx)).map_err(Into::into);
                this.state.set(State::Done);
                return Poll::Ready(result.map(|response| this.protocol.original(response)));
            }
            StateProj::Calling { .. } | StateProj::Done => {
                panic!("ResponseFuture polled after it completed")
            }
        };
        let served = ready!(descent.poll(this.protocol, this.shared, cx));
        let ended = this.state.project_replace(State::Done);
        Poll::Ready(match (served, ended) {
            (Some(response), _) => Ok(response),
            (None, StateOwned::Falling(descent)) => {
                let original = descent.into_original().expect("no tier has served");
                original.map(|response| this.protocol.original(response))
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
