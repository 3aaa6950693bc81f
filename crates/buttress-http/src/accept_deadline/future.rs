//! The future of a call under the deadline of its request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, Follow, ReadyCall, Rejection};
use http::Response;
use http_body::Body;
use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::DeadlineFollower;
use crate::{Followed, Http};

/// The future of [`AcceptDeadline`](super::AcceptDeadline).
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req> {
    Running {
        #[pin]
        call: ReadyCall<S, Req>,
        deadline: Option<Deadline>,
    },
    Refused(Rejection),
    Done,
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(super) fn new(call: ReadyCall<S, Req>, deadline: Option<Deadline>) -> Self {
        Self { state: State::Running { call, deadline } }
    }

    pub(super) fn refused(rejection: Rejection) -> Self {
        Self { state: State::Refused(rejection) }
    }
}

impl<S: Service<Req>, Req> State<S, Req> {
    /// Ends what is there: a call is dropped at once, under its deadline.
    fn end(mut self: Pin<&mut Self>) -> StateOwned<S, Req> {
        let deadline = match self.as_mut().project() {
            StateProj::Running { deadline, .. } => *deadline,
            StateProj::Refused(_) | StateProj::Done => None,
        };
        Deadline::scope(deadline, || self.project_replace(Self::Done))
    }
}

impl<S, Req, R> Future for ResponseFuture<S, Req>
where
    S: Service<Req, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Followed<R, DeadlineFollower>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let mut ended = None;
        if let StateProj::Running { call, deadline } = state.as_mut().project() {
            ended = Some(ready!(Deadline::scope(*deadline, || call.poll(cx))));
        }
        Poll::Ready(match (state.end(), ended) {
            (StateOwned::Running { deadline, .. }, Some(Ok(response))) => {
                Ok(Http::new().follow(response, DeadlineFollower::new(deadline)))
            }
            (StateOwned::Running { .. }, Some(Err(error))) => Err(error.into()),
            (StateOwned::Refused(rejection), _) => Err(rejection.into()),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

#[pinned_drop]
impl<S: Service<Req>, Req> PinnedDrop for ResponseFuture<S, Req> {
    fn drop(self: Pin<&mut Self>) {
        self.project().state.end();
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ResponseFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
