//! The future of a call whose bodies are watched.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, Follow, ReadyCall};
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::{TransferFollower, Watched, watch::Watch};
use crate::{Followed, Http};

/// The future of [`TransferTimeout`](super::TransferTimeout).
#[pin_project]
pub struct ResponseFuture<S: Service<Request<Watched<B>>>, B> {
    #[pin]
    state: State<S, B>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Request<Watched<B>>>, B> {
    Running {
        #[pin]
        call: ReadyCall<S, Request<Watched<B>>>,
        // Made when the first poll of the call was pending: most calls over a ready service that
        // answers at once never need it.
        #[pin]
        timer: Option<Sleep>,
        watch: Watch,
    },
    Done,
}

impl<S: Service<Request<Watched<B>>>, B> ResponseFuture<S, B> {
    pub(super) fn new(call: ReadyCall<S, Request<Watched<B>>>, watch: Watch) -> Self {
        Self { state: State::Running { call, timer: None, watch } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<Watched<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Followed<R, TransferFollower>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let mut ended = None;
        if let StateProj::Running { call, mut timer, watch } = state.as_mut().project() {
            // The call first: a result that is ready in the same poll as the timer wins.
            ended = Some(match call.poll_until(watch.due_unsent(), cx) {
                Poll::Ready(result) => Ok(result),
                Poll::Pending => Err(ready!(watch.poll_cut(&mut timer, cx))),
            });
        }
        // A call that is cut is dropped at once, under the moment that it was due at, so that
        // those inside know.
        let due = ended.as_ref().and_then(|ended| ended.as_ref().err()).map(|cut| cut.due);
        let state = Deadline::scope(due, || state.project_replace(State::Done));
        Poll::Ready(match (state, ended) {
            (StateOwned::Running { watch, .. }, Some(Ok(Ok(response)))) => {
                Ok(Http::new().follow(response, TransferFollower::new(watch)))
            }
            (StateOwned::Running { .. }, Some(Ok(Err(error)))) => Err(error.into()),
            (StateOwned::Running { watch, .. }, Some(Err(cut))) => Err(watch.reject(cut).into()),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

impl<S: Service<Request<Watched<B>>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
