//! The future of a bounded call.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{Anchor, BoxError, Deadline, Follow, Phase, ReadyCall, Rejection, Stripe};
use pin_project::{pin_project, pinned_drop};
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::{TimeoutFollower, clock::Clock, layer::Shared, limits::Bounds};

const COMPLETED: &str = "ResponseFuture polled after it completed";

/// The future of [`Timeout`](crate::Timeout).
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    // None once it is over.
    #[pin]
    call: Option<ReadyCall<S, Req>>,
    // Made when the first poll of the call was pending: most calls never need it.
    #[pin]
    timer: Option<Sleep>,
    bound: Bound,
    protocol: P,
}

/// What bounds the call, or why it was not made.
enum Bound {
    By(Clock),
    Refused(Rejection),
    Done,
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    /// Calls `inner`, within these bounds.
    #[inline]
    pub(crate) fn start(
        inner: &mut S,
        request: Req,
        bounds: Bounds,
        shared: Arc<Stripe<Shared>>,
        protocol: &P,
    ) -> Self
    where
        S: Clone,
        P: Clone,
    {
        let mut shared = Anchor::new(shared);
        let deadline = bounds.whole();
        let call = shared.call(request, |request| {
            Deadline::begin(deadline, || ReadyCall::start(inner, request))
        });
        let bound = Bound::By(Clock::new(bounds, shared.anchored()));
        Self { call: Some(call), timer: None, bound, protocol: protocol.clone() }
    }

    #[cold]
    pub(crate) fn refused(rejection: Rejection, protocol: P) -> Self {
        Self { call: None, timer: None, bound: Bound::Refused(rejection), protocol }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    P: Follow<S::Response>,
{
    type Output = Result<P::Response<TimeoutFollower>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Bound::By(clock) = this.bound else {
            return Poll::Ready(Err(this.bound.refusal().into()));
        };
        // The call first: a result that is ready in the same poll as the timer wins. It is dropped
        // under the deadline that it was polled under, at once.
        let due = clock.due();
        let polled = Deadline::enforce(clock.deadline(), || {
            let call = this.call.as_mut().as_pin_mut().expect(COMPLETED);
            let polled = call.poll_until(due, cx);
            if polled.is_ready() {
                this.call.set(None);
            }
            polled
        });
        let Poll::Ready(result) = polled else {
            let Some(due) = due else { return Poll::Pending };
            if this.timer.is_none() {
                this.timer.set(Some(sleep_until(due.instant())));
            }
            let timer = this.timer.as_mut().as_pin_mut().expect("it was just set");
            ready!(clock.poll_over(timer, cx));
            let called = this.call.as_ref().get_ref().as_ref().is_some_and(ReadyCall::called);
            let cut = clock.cut(Phase::Response, called);
            // Its own deadline has passed now: those inside see that they are cut.
            Deadline::scope(clock.deadline(), || this.call.set(None));
            this.timer.set(None);
            let rejection = clock.reject(cut);
            *this.bound = Bound::Done;
            return Poll::Ready(Err(rejection.into()));
        };
        this.timer.set(None);
        let response = result.map_err(Into::into)?;
        if this.protocol.over(&response).is_some() {
            // Nothing is left that the clock could bound, and it is slow to move.
            return Poll::Ready(Ok(this.protocol.follow(response, TimeoutFollower::new(None))));
        }
        let clock = this.bound.take();
        Poll::Ready(Ok(this.protocol.follow(response, TimeoutFollower::new(clock))))
    }
}

impl Bound {
    /// The clock, of a call that has ended well.
    fn take(&mut self) -> Option<Clock> {
        match mem::replace(self, Self::Done) {
            Self::By(clock) => Some(clock),
            Self::Refused(_) | Self::Done => None,
        }
    }

    /// Why there is no call.
    #[cold]
    fn refusal(&mut self) -> Rejection {
        match mem::replace(self, Self::Done) {
            Self::Refused(rejection) => rejection,
            Self::By(_) | Self::Done => panic!("{COMPLETED}"),
        }
    }
}

#[pinned_drop]
impl<S: Service<Req>, Req, P> PinnedDrop for ResponseFuture<S, Req, P> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        // A call that is over, as most are, left nothing behind that could ask for its deadline.
        if this.call.is_none() {
            return;
        }
        if let Bound::By(clock) = this.bound {
            Deadline::scope(clock.deadline(), || this.call.set(None));
        }
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
