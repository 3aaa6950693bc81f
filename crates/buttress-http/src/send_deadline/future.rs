//! The future of a call that tells its deadline.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, ReadyCall, Rejection};
use http::Request;
use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::sending::{Outgoing, Sending};

/// The future of [`SendDeadline`](super::SendDeadline).
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    #[pin]
    state: State<S, B>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    Running {
        #[pin]
        call: ReadyCall<Sending<S>, Outgoing<B>>,
        deadline: Option<Deadline>,
    },
    Refused(Rejection),
    Done,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    pub(super) fn new(
        call: ReadyCall<Sending<S>, Outgoing<B>>,
        deadline: Option<Deadline>,
    ) -> Self {
        Self { state: State::Running { call, deadline } }
    }

    pub(super) fn refused(rejection: Rejection) -> Self {
        Self { state: State::Refused(rejection) }
    }
}

impl<S, B> State<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    /// Ends what is there: a call is dropped at once, under its deadline.
    fn end(mut self: Pin<&mut Self>) -> StateOwned<S, B> {
        let deadline = match self.as_mut().project() {
            StateProj::Running { deadline, .. } => *deadline,
            StateProj::Refused(_) | StateProj::Done => None,
        };
        Deadline::scope(deadline, || self.project_replace(Self::Done))
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let mut ended = None;
        if let StateProj::Running { call, deadline } = state.as_mut().project() {
            ended = Some(ready!(Deadline::scope(*deadline, || call.poll(cx))));
        }
        Poll::Ready(match (state.end(), ended) {
            (_, Some(result)) => result,
            (StateOwned::Refused(rejection), None) => Err(rejection.into()),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

#[pinned_drop]
impl<S, B> PinnedDrop for ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    fn drop(self: Pin<&mut Self>) {
        let mut state = self.project().state;
        // A call that is over, as most are, left nothing behind that could ask for its deadline.
        if let StateProj::Running { .. } = state.as_mut().project() {
            state.end();
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
