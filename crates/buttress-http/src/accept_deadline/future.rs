//! The future of a call under the deadline of its request.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, Follow, ReadyCall, Rejection};
use http::Response;
use http_body::Body;
use pin_project::{pin_project, pinned_drop};
use tokio::time::Instant;
use tower_service::Service;

use super::{DeadlineFollower, layer::Shared};
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
        // Whom to tell of a refusal: none once there is no occasion for one.
        door: Option<Arc<Shared>>,
    },
    Refused(Rejection),
    Done,
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(super) fn new(
        call: ReadyCall<S, Req>,
        deadline: Option<Deadline>,
        shared: &Arc<Shared>,
    ) -> Self {
        let door = (!call.called() && deadline.is_some()).then(|| Arc::clone(shared));
        Self { state: State::Running { call, deadline, door } }
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
        if let StateProj::Running { mut call, deadline, door } = state.as_mut().project() {
            // That one which somebody outside enforces has passed is his to say.
            let own = deadline.filter(|own| !own.is_enforced());
            match Deadline::scope(*deadline, || call.as_mut().poll_until(own, cx)) {
                Poll::Ready(result) => ended = Some(Ok(result)),
                Poll::Pending => {
                    // No timer wakes a call that waits, and none needs to: it is not cut here, but
                    // not sent either when its time is up.
                    let door = door.as_ref().filter(|_| !call.called());
                    let Some((own, door)) = own.zip(door) else { return Poll::Pending };
                    if own.instant() >= Instant::now() {
                        return Poll::Pending;
                    }
                    ended = Some(Err(Arc::clone(door)));
                }
            }
        }
        Poll::Ready(match (state.end(), ended) {
            (_, Some(Err(door))) => Err(door.refuse().into()),
            (StateOwned::Running { deadline, .. }, Some(Ok(Ok(response)))) => {
                Ok(Http::new().follow(response, DeadlineFollower::new(deadline)))
            }
            (StateOwned::Running { .. }, Some(Ok(Err(error)))) => Err(error.into()),
            (StateOwned::Refused(rejection), _) => Err(rejection.into()),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

#[pinned_drop]
impl<S: Service<Req>, Req> PinnedDrop for ResponseFuture<S, Req> {
    fn drop(self: Pin<&mut Self>) {
        let mut state = self.project().state;
        // A call that is over, as most are, left nothing behind that could ask for its deadline.
        if let StateProj::Running { .. } = state.as_mut().project() {
            state.end();
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ResponseFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
