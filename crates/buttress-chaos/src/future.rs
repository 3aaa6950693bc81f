//! The future of a call that may be struck.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, ReadyCall, Rejection};
use pin_project::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::layer::Shared;

/// The future of [`Chaos`](crate::Chaos).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req> {
    Running {
        #[pin]
        call: ReadyCall<S, Req>,
    },
    // Boxed, so that a call that is not struck does not pay for the room.
    Late(Box<Late<S, Req>>),
    Failed(Rejection),
    Done,
}

struct Late<S, Req> {
    pause: Pause,
    then: Then<S, Req>,
}

/// What follows on the delay.
enum Then<S, Req> {
    Call(S, Req),
    Fail(Arc<Shared>),
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(crate) fn running(call: ReadyCall<S, Req>) -> Self {
        Self { state: State::Running { call } }
    }

    pub(crate) fn failed(rejection: Rejection) -> Self {
        Self { state: State::Failed(rejection) }
    }

    pub(crate) fn running_later(delay: Duration, service: S, request: Req) -> Self {
        Self::late(delay, Then::Call(service, request))
    }

    pub(crate) fn failing_later(delay: Duration, shared: Arc<Shared>) -> Self {
        Self::late(delay, Then::Fail(shared))
    }

    fn late(delay: Duration, then: Then<S, Req>) -> Self {
        let pause = Pause::new(delay);
        Self { state: State::Late(Box::new(Late { pause, then })) }
    }
}

impl<S, Req> Future for ResponseFuture<S, Req>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Running { call } => return call.poll(cx).map_err(Into::into),
                StateProj::Late(late) => ready!(late.pause.poll(cx)),
                StateProj::Failed(_) | StateProj::Done => {}
            }
            match state.as_mut().project_replace(State::Done) {
                StateOwned::Late(late) => match late.then {
                    Then::Call(mut service, request) => {
                        let call = ReadyCall::start(&mut service, request);
                        state.set(State::Running { call });
                    }
                    Then::Fail(shared) => return Poll::Ready(Err(shared.fail().into())),
                },
                StateOwned::Failed(rejection) => return Poll::Ready(Err(rejection.into())),
                StateOwned::Running { .. } | StateOwned::Done => {
                    panic!("ResponseFuture polled after it completed")
                }
            }
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ResponseFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// An injected delay.
struct Pause {
    // None: without end, and without a timer.
    until: Option<Deadline>,
    // Made by the first poll, which is certain to be under a runtime.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    fn new(delay: Duration) -> Self {
        let until = (delay != Duration::MAX).then(|| Deadline::after(delay));
        Self { until, timer: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.instant())));
        timer.as_mut().poll(cx)
    }
}
