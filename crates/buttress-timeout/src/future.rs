//! The future of a bounded call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, Follow, Phase, ReadyCall, Rejection};
use pin_project::{pin_project, pinned_drop};
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::{TimeoutFollower, clock::Clock};

/// The future of [`Timeout`](crate::Timeout).
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    #[pin]
    state: State<S, Req, P>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req, P> {
    Running {
        #[pin]
        call: ReadyCall<S, Req>,
        // Made when the first poll of the call was pending: most calls never need it.
        #[pin]
        timer: Option<Sleep>,
        clock: Clock,
        protocol: P,
    },
    Refused(Rejection),
    Done,
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    pub(crate) fn new(call: ReadyCall<S, Req>, clock: Clock, protocol: P) -> Self {
        Self { state: State::Running { call, timer: None, clock, protocol } }
    }

    pub(crate) fn refused(rejection: Rejection) -> Self {
        Self { state: State::Refused(rejection) }
    }
}

impl<S: Service<Req>, Req, P> State<S, Req, P> {
    /// Ends what is there: a running call is dropped at once, under its own deadline, which has
    /// passed if it was cut.
    fn end(mut self: Pin<&mut Self>) -> StateOwned<S, Req, P> {
        let deadline = match self.as_mut().project() {
            StateProj::Running { clock, .. } => clock.deadline(),
            StateProj::Refused(_) | StateProj::Done => None,
        };
        Deadline::scope(deadline, || self.project_replace(Self::Done))
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    P: Follow<S::Response>,
{
    type Output = Result<P::Response<TimeoutFollower>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let mut ended = None;
        if let StateProj::Running { mut call, mut timer, clock, .. } = state.as_mut().project() {
            // The call first: a result that is ready in the same poll as the timer wins.
            let due = clock.due();
            let polled = Deadline::enforce(clock.deadline(), || call.as_mut().poll_until(due, cx));
            ended = Some(match polled {
                Poll::Ready(result) => Ok(result),
                Poll::Pending => {
                    let Some(due) = due else { return Poll::Pending };
                    if timer.is_none() {
                        timer.set(Some(sleep_until(due.instant())));
                    }
                    let timer = timer.as_pin_mut().expect("it was just set");
                    ready!(clock.poll_over(timer, cx));
                    Err(clock.cut(Phase::Response, call.called()))
                }
            });
        }
        Poll::Ready(match (state.end(), ended) {
            (StateOwned::Running { clock, protocol, .. }, Some(Ok(Ok(response)))) => {
                Ok(protocol.follow(response, TimeoutFollower::new(clock)))
            }
            (StateOwned::Running { .. }, Some(Ok(Err(error)))) => Err(error.into()),
            (StateOwned::Running { clock, .. }, Some(Err(cut))) => Err(clock.reject(cut).into()),
            (StateOwned::Refused(rejection), _) => Err(rejection.into()),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

#[pinned_drop]
impl<S: Service<Req>, Req, P> PinnedDrop for ResponseFuture<S, Req, P> {
    fn drop(self: Pin<&mut Self>) {
        let mut state = self.project().state;
        // A call that is over, as most are, left nothing behind that could ask for its deadline.
        if let StateProj::Running { .. } = state.as_mut().project() {
            state.end();
        }
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
