//! One call of an inner service, from claiming its readiness to its answer.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use pin_project::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::Deadline;

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
///
/// One that becomes ready only when the call's time is up is not called any more, where somebody
/// will end the call: see [`poll_until`](Self::poll_until) for one who does so himself. For one
/// outside, who has promised it by [`Deadline::enforce`], the request waits for one poll more; if
/// he does not end the call by then it is sent after all, for then nobody else would ever end it.
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
    /// Whether it was left to the one outside to end the call, whose deadline had passed.
    left: bool,
}

impl<S, Req> Waiting<S, Req> {
    /// Leaves the call, once, to one outside whose deadline has passed.
    fn leave(&mut self, cx: &Context<'_>) -> bool {
        if self.left || !Deadline::enforced().is_some_and(is_over) {
            return false;
        }
        self.left = true;
        cx.waker().wake_by_ref();
        true
    }
}

/// Whether a deadline is behind us: what comes at the very moment still comes in time.
fn is_over(deadline: Deadline) -> bool {
    deadline.instant() < Instant::now()
}

impl<S, Req> ReadyCall<S, Req>
where
    S: Service<Req> + Clone,
{
    /// Calls `service` with `request` if it is ready, or else waits for it to be.
    #[inline]
    pub fn start(service: &mut S, request: Req) -> Self {
        // Whoever polls the future later registers the real waker: the one given here is never
        // relied on.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {}
            unready => return Self::start_unready(service, request, unready),
        }
        Self { state: State::Calling { future: service.call(request) } }
    }

    #[cold]
    fn start_unready(service: &mut S, request: Req, unready: Poll<Result<(), S::Error>>) -> Self {
        let state = match unready {
            Poll::Ready(unready) => State::Unready(unready.err()),
            Poll::Pending => {
                let fresh = service.clone();
                let service = mem::replace(service, fresh);
                State::Waiting(Box::new(Waiting { service, request, left: false }))
            }
        };
        Self { state }
    }
}

impl<S: Service<Req>, Req> ReadyCall<S, Req> {
    /// Whether the request has been handed to the service.
    ///
    /// After an error, `false` tells that readiness failed and the request was not sent.
    #[inline]
    pub fn called(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }
}

impl<S: Service<Req>, Req> ReadyCall<S, Req> {
    /// Polls the call for one who ends it at `latest`: the request is not sent after that.
    ///
    /// A service that becomes ready later is not called, and this is pending without anything to
    /// wake it. The caller of this ends the call then.
    #[inline]
    pub fn poll_until(
        self: Pin<&mut Self>,
        latest: Option<Deadline>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        self.poll_unless(cx, |waiting, cx| latest.is_some_and(is_over) || waiting.leave(cx))
    }

    /// Polls the call, and asks of a request whose service is ready whether it is not to be sent.
    #[inline]
    fn poll_unless(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        held: impl Fn(&mut Waiting<S, Req>, &Context<'_>) -> bool,
    ) -> Poll<Result<S::Response, S::Error>> {
        if let StateProj::Calling { future } = self.as_mut().project().state.project() {
            return future.poll(cx);
        }
        self.poll_unready(cx, held)
    }

    #[cold]
    fn poll_unready(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        held: impl Fn(&mut Waiting<S, Req>, &Context<'_>) -> bool,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut state = self.project().state;
        if let StateProj::Waiting(waiting) = state.as_mut().project() {
            let ready = ready!(waiting.service.poll_ready(cx));
            if ready.is_ok() && held(waiting, cx) {
                return Poll::Pending;
            }
            // Over, should the call panic.
            if let StateOwned::Waiting(waiting) =
                state.as_mut().project_replace(State::Unready(None))
            {
                ready?;
                let Waiting { mut service, request, .. } = *waiting;
                let future = service.call(request);
                state.set(State::Calling { future });
            }
        }
        match state.project() {
            StateProj::Calling { future } => future.poll(cx),
            StateProj::Unready(error) => {
                Poll::Ready(Err(error.take().expect("ReadyCall polled after it completed")))
            }
            StateProj::Waiting(_) => unreachable!("it was called"),
        }
    }
}

impl<S: Service<Req>, Req> Future for ReadyCall<S, Req> {
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_unless(cx, Waiting::leave)
    }
}

impl<S: Service<Req>, Req> fmt::Debug for ReadyCall<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyCall").field("called", &self.called()).finish_non_exhaustive()
    }
}
