//! The future of a call through the breaker, and what follows its response.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{
    Allowance, Anchor, BoxError, Classify, End, Follow, Follower, Judgement, Outcome, ReadyCall,
};
use pin_project::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    admission::{Admission, Awaits},
    circuit::{Ticket, Verdict},
    hold::Hold,
};

/// The future of [`Breaker`](crate::Breaker).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    // Dropped before the admission: once the circuit has the outcome, the call is gone.
    #[pin]
    call: Option<ReadyCall<S, Req>>,
    leave: Leave<S, Req>,
    protocol: P,
}

/// What allows the call, or why it was not made.
enum Leave<S: Service<Req>, Req> {
    Admitted(Admission),
    Other(Other<S, Req>),
    Done,
}

/// What there is in place of a call that was admitted.
pub(crate) enum Other<S: Service<Req>, Req> {
    // None once the caller has it: so it need not be moved out of here as a whole.
    Refused(Option<BoxError>),
    /// A call that nobody was asked for, as the layer is switched off.
    // Boxed, and not where calls are that were admitted: were those to be told from it, each would take
    // a third longer.
    Unasked(Pin<Box<ReadyCall<S, Req>>>),
}

impl<S: Service<Req>, Req> Other<S, Req> {
    pub(crate) fn refused(error: BoxError) -> Self {
        Self::Refused(Some(error))
    }
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    /// Calls `inner`, with leave of this circuit.
    #[inline]
    pub(crate) fn start(
        inner: &mut S,
        request: Req,
        circuit: Arc<Hold>,
        ticket: Ticket,
        protocol: &P,
    ) -> Self
    where
        S: Clone,
        P: Clone,
    {
        let allowance = Allowance::current();
        let mut circuit = Anchor::new(circuit);
        let begin = |request| ReadyCall::start(inner, request);
        let call = Admission::enter(&mut circuit, &ticket, request, begin);
        let leave = Leave::Admitted(Admission::new(circuit.anchored(), ticket, allowance));
        Self { call: Some(call), leave, protocol: protocol.clone() }
    }

    #[cold]
    pub(crate) fn other(other: Other<S, Req>, protocol: P) -> Self {
        Self { call: None, leave: Leave::Other(other), protocol }
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Follow<S::Response>,
{
    type Output = Result<P::Response<BreakerFollower>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(call), Leave::Admitted(admission)) =
            (this.call.as_mut().as_pin_mut(), &mut *this.leave)
        else {
            return this.leave.poll_unadmitted(this.protocol, cx);
        };
        let answer = ready!(admission.watch(Outcome::Failure, || call.poll(cx)));
        // What a classifier that panics has to say, nobody knows.
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let judge = || {
                    this.call.set(None);
                    let error = error.into();
                    let judgement = this.protocol.classify(Err(&error));
                    (error, judgement)
                };
                return Poll::Ready(Err(admission.settle_error(judge)));
            }
        };
        let judgement = admission.watch(Outcome::Neutral, || {
            this.call.set(None);
            this.protocol.classify(Ok(&response))
        });
        let verdict = match judgement.outcome {
            // Often a good response is not over with its head.
            Outcome::Success => this.protocol.over(&response).map(Verdict::from),
            _ => Some(judgement.into()),
        };
        if let Some(verdict) = verdict {
            admission.settle(verdict);
            let follower = BreakerFollower::new(None, Time::Any);
            return Poll::Ready(Ok(this.protocol.follow(response, follower)));
        }
        let time = match admission.is_timed() {
            true if this.protocol.timed_to_head(&response) => Time::ToHead,
            true => Time::ToEnd,
            false => Time::Any,
        };
        let follower = BreakerFollower::new(this.leave.take(), time);
        Poll::Ready(Ok(this.protocol.follow(response, follower)))
    }
}

impl<S: Service<Req>, Req> Leave<S, Req> {
    /// The admission, out of its place.
    fn take(&mut self) -> Option<Admission> {
        match mem::replace(self, Self::Done) {
            Self::Admitted(admission) => Some(admission),
            Self::Other(_) | Self::Done => None,
        }
    }

    /// Polls the call that nobody was asked for; of any other there is a refusal.
    #[cold]
    #[inline(never)]
    fn poll_unadmitted<P>(
        &mut self,
        protocol: &P,
        cx: &mut Context<'_>,
    ) -> Poll<Result<P::Response<BreakerFollower>, BoxError>>
    where
        S::Error: Into<BoxError>,
        P: Follow<S::Response>,
    {
        if let Self::Other(Other::Unasked(call)) = self {
            let answer = ready!(call.as_mut().poll(cx));
            *self = Self::Done;
            let follow =
                |response| protocol.follow(response, BreakerFollower::new(None, Time::Any));
            return Poll::Ready(answer.map(follow).map_err(Into::into));
        }
        match self {
            Self::Other(Other::Refused(error)) => {
                Poll::Ready(Err(error.take().expect("ResponseFuture polled after it completed")))
            }
            _ => panic!("ResponseFuture polled after it completed"),
        }
    }
}

/// Settles the call when its response has ended.
///
/// A response that is dropped before its end counts as what its head said, unless its reader was
/// waiting for the dependency when its time was up: then it was cut, and counts as a failure. A
/// reader who takes his time is not the dependency's fault.
pub struct BreakerFollower {
    // None if the head has decided.
    admission: Option<Admission>,
    awaits: Awaits,
    time: Time,
    // Since when its reader has what he asked for, or all that is timed.
    idle_since: Option<Instant>,
}

/// How much of a response's time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    /// It does not matter.
    Any,
    /// None that comes after the head.
    ToHead,
    /// That in which its reader waits.
    ToEnd,
}

impl BreakerFollower {
    #[inline]
    fn new(admission: Option<Admission>, time: Time) -> Self {
        let idle_since = if time == Time::Any { None } else { Some(Instant::now()) };
        Self { admission, awaits: Awaits::Reader, time, idle_since }
    }

    /// The reader has what he asked for: the time until he asks again is his.
    #[inline]
    fn served(&mut self) {
        self.awaits = Awaits::Reader;
        if self.time == Time::ToEnd {
            self.idle_since = Some(Instant::now());
        }
    }

    /// He has asked for more.
    #[inline]
    fn asked(&mut self) {
        if self.time == Time::ToEnd {
            self.discount();
        }
    }

    /// What has gone by since he had it is not the dependency's time.
    #[inline]
    fn discount(&mut self) {
        if let (Some(since), Some(admission)) = (self.idle_since.take(), &mut self.admission) {
            admission.discount(since.elapsed());
        }
    }
}

impl Follower for BreakerFollower {
    fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<BoxError> {
        self.asked();
        // Who asks only when his time is up has not waited.
        let admission = self.admission.as_ref();
        if self.awaits == Awaits::Reader && !admission.is_some_and(Admission::was_cut) {
            self.awaits = Awaits::Frame;
        }
        Poll::Pending
    }

    #[inline]
    fn part(&mut self) -> Option<BoxError> {
        self.asked();
        self.served();
        None
    }

    #[inline]
    fn ended(mut self, end: End<'_>) {
        self.discount();
        if let Some(admission) = &mut self.admission {
            admission.settle(match end {
                End::Complete(judgement) => judgement.into(),
                End::Failed(error) => Judgement::of_error(error).into(),
            });
        }
    }
}

impl Drop for BreakerFollower {
    #[inline]
    fn drop(&mut self) {
        self.discount();
        if let Some(admission) = self.admission.as_mut().filter(|admission| !admission.is_settled())
        {
            admission.abandon_response(self.awaits);
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
