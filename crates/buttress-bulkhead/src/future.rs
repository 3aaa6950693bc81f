//! The future of a call that needs a place.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Follow, ReadyCall, Rejection};
use pin_project::pin_project;
use tower_service::Service;

use crate::{places::Permit, wait::Wait};

/// The future of [`Bulkhead`](crate::Bulkhead).
///
/// It holds its place, or its place in the queue, from the call on and not only once it is
/// polled. Dropped, it gives both back.
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    #[pin]
    state: State<S, Req, P>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req, P> {
    // The fields are dropped in this order: the place is given back when nothing of the call is
    // left.
    Running {
        #[pin]
        call: ReadyCall<S, Req>,
        permit: Permit,
        protocol: P,
    },
    // Boxed, so that a call that finds a free place does not pay for the room.
    Waiting(Box<Waiting<S, Req, P>>),
    Refused(Rejection),
    Done,
}

struct Waiting<S, Req, P> {
    wait: Wait,
    service: S,
    request: Req,
    protocol: P,
}

/// How a step of the call ended.
enum Step<Res, E> {
    Admitted(Permit),
    Answered(Result<Res, E>),
    Refused(Rejection),
    None,
}

impl<S, Req, P> ResponseFuture<S, Req, P>
where
    S: Service<Req> + Clone,
{
    /// Calls `service` in the place that `permit` stands for.
    pub(crate) fn running(service: &mut S, request: Req, permit: Permit, protocol: P) -> Self {
        Self { state: State::running(service, request, permit, protocol) }
    }

    /// Waits first, then calls `service`.
    pub(crate) fn waiting(wait: Wait, service: S, request: Req, protocol: P) -> Self {
        let waiting = Waiting { wait, service, request, protocol };
        Self { state: State::Waiting(Box::new(waiting)) }
    }

    pub(crate) fn refused(rejection: Rejection) -> Self {
        Self { state: State::Refused(rejection) }
    }
}

impl<S, Req, P> State<S, Req, P>
where
    S: Service<Req> + Clone,
{
    fn running(service: &mut S, request: Req, permit: Permit, protocol: P) -> Self {
        Self::Running { call: ReadyCall::start(service, request), permit, protocol }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Follow<S::Response>,
{
    type Output = Result<P::Response<Permit>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let step = match state.as_mut().project() {
                StateProj::Running { call, .. } => Step::Answered(ready!(call.poll(cx))),
                StateProj::Waiting(waiting) => match ready!(waiting.wait.poll(cx)) {
                    Ok(permit) => Step::Admitted(permit),
                    Err(rejection) => Step::Refused(rejection),
                },
                StateProj::Refused(_) | StateProj::Done => Step::None,
            };
            // The inner future is dropped here, before the place is given away.
            match (state.as_mut().project_replace(State::Done), step) {
                (StateOwned::Running { permit, protocol, .. }, Step::Answered(Ok(response))) => {
                    return Poll::Ready(Ok(protocol.follow(response, permit)));
                }
                (StateOwned::Running { .. }, Step::Answered(Err(error))) => {
                    return Poll::Ready(Err(error.into()));
                }
                (StateOwned::Waiting(waiting), Step::Admitted(permit)) => {
                    let Waiting { mut service, request, protocol, .. } = *waiting;
                    state.set(State::running(&mut service, request, permit, protocol));
                }
                (StateOwned::Waiting(_), Step::Refused(rejection))
                | (StateOwned::Refused(rejection), _) => {
                    return Poll::Ready(Err(rejection.into()));
                }
                _ => panic!("ResponseFuture polled after it completed"),
            }
        }
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
