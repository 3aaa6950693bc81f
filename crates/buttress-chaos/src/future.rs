//! The future of a call that may be struck.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Plain, ReadyCall, Spoil};
use pin_project::pin_project;
use tower_service::Service;

use crate::{
    draw::{Body, Fate},
    pause::Pause,
    shared::Shared,
    spoiling::Spoiling,
};

/// The future of [`Chaos`](crate::Chaos).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P = Plain> {
    #[pin]
    state: State<S, Req>,
    protocol: P,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req> {
    Running {
        #[pin]
        call: ReadyCall<S, Req>,
        // Boxed, as below, so that a call that is not struck does not pay for the room.
        spoiling: Option<Box<Spoiling>>,
    },
    Struck(Box<Struck<S, Req>>),
    Hanging,
    Failed(BoxError),
    Done,
}

/// A call that does not begin at once, or not at all.
pub(crate) struct Struck<S, Req> {
    pub(crate) pause: Option<Pause>,
    pub(crate) then: Then<S, Req>,
    pub(crate) shared: Arc<Shared>,
}

/// What follows on the delay.
pub(crate) enum Then<S, Req> {
    Call(S, Req, Body),
    End(Fate),
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    pub(crate) fn running(
        call: ReadyCall<S, Req>,
        spoiling: Option<Box<Spoiling>>,
        protocol: P,
    ) -> Self {
        Self { state: State::Running { call, spoiling }, protocol }
    }

    pub(crate) fn struck(struck: Struck<S, Req>, protocol: P) -> Self {
        Self { state: State::Struck(Box::new(struck)), protocol }
    }

    pub(crate) fn failed(error: BoxError, protocol: P) -> Self {
        Self { state: State::Failed(error), protocol }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Spoil<Req, S::Response>,
{
    type Output = Result<P::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, protocol) = (this.state, this.protocol);
        loop {
            match state.as_mut().project() {
                StateProj::Running { call, spoiling } => {
                    let response = ready!(call.poll(cx)).map_err(Into::into)?;
                    return Poll::Ready(match spoiling.take() {
                        None => Ok(protocol.spare(response)),
                        Some(spoiling) => spoiling.spoil::<Req, _, _>(response, protocol),
                    });
                }
                StateProj::Struck(struck) => {
                    if let Some(pause) = &mut struck.pause {
                        ready!(pause.poll(cx));
                    }
                }
                StateProj::Hanging => return Poll::Pending,
                StateProj::Failed(_) | StateProj::Done => {}
            }
            match state.as_mut().project_replace(State::Done) {
                StateOwned::Struck(struck) => match struck.then {
                    Then::Call(mut service, request, body) => {
                        let call = ReadyCall::start(&mut service, request);
                        let spoiling = body.spoiling(&struck.shared);
                        state.set(State::Running { call, spoiling });
                    }
                    Then::End(fate) => match meet::<Req, _, _>(fate, &struck.shared, protocol) {
                        Some(result) => return Poll::Ready(result),
                        None => state.set(State::Hanging),
                    },
                },
                StateOwned::Failed(error) => return Poll::Ready(Err(error)),
                StateOwned::Running { .. } | StateOwned::Hanging | StateOwned::Done => {
                    panic!("ResponseFuture polled after it completed")
                }
            }
        }
    }
}

/// How a call ends that is not made; `None` if it does not.
fn meet<Req, Res, P: Spoil<Req, Res>>(
    fate: Fate,
    shared: &Shared,
    protocol: &P,
) -> Option<Result<P::Response, BoxError>> {
    match fate {
        Fate::Hang => {
            shared.tell("hang");
            None
        }
        Fate::Panic => {
            shared.tell("panic");
            panic!("chaos `{}`: panic injected on purpose", shared.reporter.name())
        }
        Fate::Error => {
            shared.tell("error");
            Some(Err(shared.error()))
        }
        Fate::Status(status) => {
            shared.tell("status");
            Some(protocol.failure(status).ok_or_else(|| shared.error()))
        }
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
