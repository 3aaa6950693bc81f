//! The future of a call that needs a place.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{Allowance, BoxError, Classify, Follow, Judgement, Outcome};
use pin_project::pin_project;
use tower_service::Service;

use crate::{
    InPlace, Permit,
    runner::{Runner, Runs},
    wait::Wait,
};

/// The future of [`Bulkhead`](crate::Bulkhead).
///
/// It holds its place, or its place in the queue, from the call on and not only once it is
/// polled. Dropped, it gives both back.
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P, R: Runs<S, Req> = InPlace> {
    // Dropped before the permit: the place is given back when nothing of the call is left.
    #[pin]
    run: Option<R::Run>,
    permit: Permit,
    protocol: P,
    // None if there is nothing before the call, or nothing any more.
    before: Option<Before<S, Req, R>>,
}

/// What comes before a call, or in its place.
enum Before<S, Req, R> {
    // Boxed, so that a call that finds a free place does not pay for the room.
    Waiting(Box<Waiting<S, Req, R>>),
    Refused(BoxError),
}

struct Waiting<S, Req, R> {
    service: S,
    request: Req,
    runner: R,
    // Last: a place that he was given and has not taken goes on when nothing of the call is left.
    wait: Wait,
}

impl<S: Service<Req>, Req, P, R: Runner<S, Req>> ResponseFuture<S, Req, P, R> {
    /// Calls `service` in the place that `permit` stands for.
    #[inline]
    pub(crate) fn running(
        runner: &R,
        service: &mut S,
        request: Req,
        mut permit: Permit,
        protocol: P,
    ) -> Self {
        permit.measure(Allowance::current);
        let run = runner.start(service, request, &mut permit);
        Self { run: Some(run), permit, protocol, before: None }
    }

    /// Waits first, then calls `service`.
    #[cold]
    pub(crate) fn waiting(wait: Wait, runner: R, service: S, request: Req, protocol: P) -> Self {
        let waiting = Box::new(Waiting { service, request, runner, wait });
        let before = Some(Before::Waiting(waiting));
        Self { run: None, permit: Permit::default(), protocol, before }
    }

    #[cold]
    pub(crate) fn refused(error: BoxError, protocol: P) -> Self {
        let before = Some(Before::Refused(error));
        Self { run: None, permit: Permit::default(), protocol, before }
    }
}

impl<S, Req, P, R> Future for ResponseFuture<S, Req, P, R>
where
    S: Service<Req>,
    P: Classify<S::Response> + Follow<S::Response>,
    R: Runner<S, Req>,
{
    type Output = Result<P::Response<Permit>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.run.is_none() {
            let (run, permit) = ready!(begin(this.before, cx))?;
            *this.permit = permit;
            this.run.set(Some(run));
        }
        let run = this.run.as_mut().as_pin_mut().expect("it was there or has just begun");
        let response = match ready!(R::poll(run, cx, this.permit)) {
            Ok(response) => response,
            Err(error) => {
                this.run.set(None);
                if this.permit.is_measured() {
                    this.permit.judge(this.protocol.classify(Err(&error)));
                }
                this.permit.settle(Judgement::NEUTRAL);
                return Poll::Ready(Err(error));
            }
        };
        this.run.set(None);
        if this.permit.is_measured() {
            let judged = this.protocol.classify(Ok(&response));
            // A good response is often not over with its head.
            if judged.outcome != Outcome::Success {
                this.permit.judge(judged);
            }
            if this.protocol.timed_to_head(&response) {
                this.permit.timed_to_here();
            }
            this.permit.served();
        }
        if let Some(outcome) = this.protocol.over(&response) {
            this.permit.settle(Judgement::of_outcome(outcome));
            // Not the one that is empty now: what was just written is slow to move.
            return Poll::Ready(Ok(this.protocol.follow(response, Permit::default())));
        }
        Poll::Ready(Ok(this.protocol.follow(response, this.permit.take())))
    }
}

/// Waits for what comes before a call, and begins it then.
#[cold]
fn begin<S, Req, R>(
    before: &mut Option<Before<S, Req, R>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(R::Run, Permit), BoxError>>
where
    S: Service<Req>,
    R: Runner<S, Req>,
{
    // Out of its place, so that what panics here is over.
    let mut waiting = match before.take() {
        Some(Before::Waiting(waiting)) => waiting,
        Some(Before::Refused(error)) => return Poll::Ready(Err(error)),
        None => panic!("ResponseFuture polled after it completed"),
    };
    let Poll::Ready(admitted) = waiting.wait.poll(cx) else {
        *before = Some(Before::Waiting(waiting));
        return Poll::Pending;
    };
    admitted?;
    let Waiting { service, request, runner, wait } = *waiting;
    let mut permit = wait.take();
    // Bound after the place, to be dropped before it, should the call panic.
    let mut service = service;
    let run = runner.start(&mut service, request, &mut permit);
    Poll::Ready(Ok((run, permit)))
}

impl<S: Service<Req>, Req, P, R: Runs<S, Req>> fmt::Debug for ResponseFuture<S, Req, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
