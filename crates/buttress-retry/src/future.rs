//! The future of a call that may be repeated.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{Anchor, BoxError, Classify, Discard, ReadyCall, Repeat, Stripe};
use pin_project::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{
    Withdrawal,
    attempts::{Attempts, First, Next, Wait},
    service::Spare,
    unsent::Unsent,
};

/// The future of [`JitteredRetry`](crate::JitteredRetry).
#[pin_project]
pub struct ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    P: Discard<S::Response>,
{
    #[pin]
    state: State<S, Req, P::Discarding>,
    attempts: Attempts<S, Req, P>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req, D> {
    Attempting {
        #[pin]
        call: ReadyCall<S, Req>,
        // Of a later attempt whose service was not ready.
        unsent: Option<Box<Unsent>>,
    },
    Waiting {
        #[pin]
        timer: Sleep,
        paid: Option<Withdrawal>,
        // Boxed, for a call that goes well never enters it.
        discarding: Option<Pin<Box<D>>>,
    },
    Done,
}

impl<S, Req, P> ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    P: Discard<S::Response>,
{
    /// Makes the first attempt, with this request.
    #[inline]
    pub(crate) fn start(
        inner: &mut S,
        request: Req,
        terms: First<Req>,
        spare: Arc<Stripe<Spare<S>>>,
        protocol: P,
    ) -> Self
    where
        S: Clone,
    {
        let mut spare = Anchor::new(spare);
        let call = spare.call(request, |request| ReadyCall::start(inner, request));
        let attempts = Attempts::first(terms, spare.anchored(), protocol);
        Self { state: State::Attempting { call, unsent: None }, attempts }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Repeat<Req> + Discard<S::Response>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let attempts = this.attempts;
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Attempting { mut call, unsent } => {
                    let Poll::Ready(result) = Unsent::poll_call(unsent, call.as_mut(), cx) else {
                        let Some(unsent) = unsent else { return Poll::Pending };
                        ready!(unsent.poll_overdue(cx));
                        if attempts.leaves_it() {
                            unsent.leave();
                            ready!(unsent.poll_overdue(cx));
                        }
                        this.state.set(State::Done);
                        return Poll::Ready(Err(attempts.unsent()));
                    };
                    let sent = call.called();
                    // Whatever the attempt held, a permit for one, is free before the result is
                    // looked at: the next attempt may need it.
                    let (result, judgement) = match result {
                        Ok(response) => {
                            this.state.set(State::Done);
                            match attempts.judge(Ok(&response)) {
                                None => return Poll::Ready(Ok(response)),
                                Some(judgement) => (Ok(response), judgement),
                            }
                        }
                        Err(error) => {
                            this.state.set(State::Done);
                            let error = error.into();
                            if !sent {
                                return Poll::Ready(Err(attempts.unready(error)));
                            }
                            match attempts.judge(Err(&error)) {
                                None => return Poll::Ready(Err(error)),
                                Some(judgement) => (Err(error), judgement),
                            }
                        }
                    };
                    match attempts.settle(result, judgement) {
                        Ok(wait) => Ok(Next::Wait(wait)),
                        Err(result) => return Poll::Ready(result),
                    }
                }
                StateProj::Waiting { timer, paid, discarding } => {
                    if discarding.as_mut().is_some_and(|rest| rest.as_mut().poll(cx).is_ready()) {
                        *discarding = None;
                    }
                    ready!(timer.poll(cx));
                    let paid = paid.take();
                    this.state.set(State::Done);
                    attempts.start(paid)
                }
                StateProj::Done => panic!("ResponseFuture polled after it completed"),
            };
            let next = match next {
                Ok(Next::Wait(Wait { delay, paid, discarding })) if delay.is_zero() => {
                    // Without a wait there is no time to read it, and the next attempt may need what
                    // it holds.
                    drop(discarding);
                    attempts.start(paid)
                }
                next => next,
            };
            this.state.set(match next {
                Ok(Next::Attempt(call, unsent)) => State::Attempting { call, unsent },
                Ok(Next::Wait(Wait { delay, paid, discarding })) => {
                    State::Waiting { timer: sleep(delay), paid, discarding }
                }
                Err(error) => return Poll::Ready(Err(error)),
            });
        }
    }
}

impl<S, Req, P> fmt::Debug for ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    P: Discard<S::Response>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("attempt", &self.attempts.current())
            .finish_non_exhaustive()
    }
}
