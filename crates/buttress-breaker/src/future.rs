//! The future of a call through the breaker, and what follows its response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Classify, End, Follow, Follower, Judgement, Outcome, ReadyCall};
use pin_project::pin_project;
use tower_service::Service;

use crate::admission::{Admission, Awaits};

/// The future of [`Breaker`](crate::Breaker).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    #[pin]
    state: State<S, Req, P>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req, P> {
    Running {
        // Dropped before the admission: once the circuit has the outcome, the call is gone.
        #[pin]
        call: ReadyCall<S, Req>,
        admission: Admission,
        protocol: P,
    },
    // The inner service was not called.
    Refused(BoxError),
    Done,
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    pub(crate) fn new(call: ReadyCall<S, Req>, admission: Admission, protocol: P) -> Self {
        Self { state: State::Running { call, admission, protocol } }
    }

    pub(crate) fn refused(error: BoxError) -> Self {
        Self { state: State::Refused(error) }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Follow<S::Response>,
{
    type Output = Result<P::Response<BreakerFollower>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let answer = match state.as_mut().project() {
            StateProj::Running { call, admission, .. } => {
                Some(ready!(admission.watch(|| call.poll(cx))))
            }
            StateProj::Refused(_) | StateProj::Done => None,
        };
        Poll::Ready(match (state.project_replace(State::Done), answer) {
            (StateOwned::Running { admission, protocol, .. }, Some(answer)) => {
                judge(answer.map_err(Into::into), admission, &protocol)
            }
            (StateOwned::Refused(error), _) => Err(error),
            _ => panic!("ResponseFuture polled after it completed"),
        })
    }
}

/// Settles the admission if the head decides, and else leaves it to the response's end.
fn judge<Res, P>(
    answer: Result<Res, BoxError>,
    admission: Admission,
    protocol: &P,
) -> Result<P::Response<BreakerFollower>, BoxError>
where
    P: Classify<Res> + Follow<Res>,
{
    let judgement = protocol.classify(answer.as_ref());
    let admission = match (judgement.outcome, &answer) {
        (Outcome::Success, Ok(_)) => Some(admission.follow()),
        _ => {
            admission.settle(judgement.into());
            None
        }
    };
    answer.map(|response| protocol.follow(response, BreakerFollower { admission }))
}

/// Settles the call when its response has ended.
///
/// A response that is dropped before its end counts as what its head said, unless its reader was
/// waiting for the dependency when its time was up: then it was cut, and counts as a failure. A
/// reader who takes his time is not the dependency's fault.
pub struct BreakerFollower {
    // None if the head has decided.
    admission: Option<Admission>,
}

impl Follower for BreakerFollower {
    fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<BoxError> {
        if let Some(admission) = &mut self.admission {
            admission.awaits(Awaits::Frame);
        }
        Poll::Pending
    }

    fn part(&mut self) -> Option<BoxError> {
        if let Some(admission) = &mut self.admission {
            admission.awaits(Awaits::Reader);
        }
        None
    }

    fn ended(self, end: End<'_>) {
        if let Some(admission) = self.admission {
            admission.settle(match end {
                End::Complete(outcome) => outcome.into(),
                End::Failed(error) => Judgement::of_error(error).into(),
            });
        }
    }
}

impl fmt::Debug for BreakerFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerFollower")
            .field("open", &self.admission.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
