//! One call of an inner service, from claiming its readiness to its answer.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use pin_project::pin_project;
use tower_service::Service;

/// One call of an inner service: its readiness is claimed, then the request is sent, on the very
/// instance that was ready.
///
/// Buttress layers are always ready themselves, and claim the readiness of what they wrap inside
/// the call: after the layer has admitted it, under the call's deadline, and cut with it. A
/// service that is never ready is then a call that times out, and not a caller stuck before any
/// limit applies; and a call that is refused has claimed nothing that someone else could use.
///
/// [`ReadyCall::start`] asks for readiness once, on the spot. An inner service that is ready, as
/// most are, is called right there, and nothing is cloned or allocated. One that is not ready is
/// moved into this future, in its place in whatever queue it stands, and a clone of it stays
/// behind for the next call.
#[pin_project]
pub struct ReadyCall<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S: Service<Req>, Req> {
    Calling {
        #[pin]
        future: S::Future,
    },
    // Boxed, so that a call over a ready service does not pay for the room of a service and a
    // request that it never holds.
    Waiting(Box<Waiting<S, Req>>),
    Unready(Option<S::Error>),
}

struct Waiting<S, Req> {
    service: S,
    request: Req,
}

impl<S, Req> ReadyCall<S, Req>
where
    S: Service<Req> + Clone,
{
    /// Calls `service` with `request` if it is ready, or else waits for it to be.
    pub fn start(service: &mut S, request: Req) -> Self {
        // Whoever polls the future later registers the real waker: the one given here is never
        // relied on.
        let state = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => State::Calling { future: service.call(request) },
            Poll::Ready(Err(error)) => State::Unready(Some(error)),
            Poll::Pending => {
                let fresh = service.clone();
                let service = mem::replace(service, fresh);
                State::Waiting(Box::new(Waiting { service, request }))
            }
        };
        Self { state }
    }
}

impl<S: Service<Req>, Req> ReadyCall<S, Req> {
    /// Whether the request has been handed to the service.
    ///
    /// After an error, `false` tells that readiness failed and the request was not sent.
    pub fn called(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }
}

impl<S: Service<Req>, Req> Future for ReadyCall<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future } => return future.poll(cx),
                StateProj::Waiting(waiting) => {
                    let ready = ready!(waiting.service.poll_ready(cx));
                    // Over, should the call panic.
                    let waiting = this.state.as_mut().project_replace(State::Unready(None));
                    let StateOwned::Waiting(waiting) = waiting else { continue };
                    ready?;
                    let Waiting { mut service, request } = *waiting;
                    let future = service.call(request);
                    this.state.set(State::Calling { future });
                }
                StateProj::Unready(error) => {
                    let error = error.take().expect("ReadyCall polled after it completed");
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ReadyCall<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyCall").field("called", &self.called()).finish_non_exhaustive()
    }
}
