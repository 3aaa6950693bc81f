//! The future of a call that may be repeated.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use buttress_core::{
    BoxError, Classify, Deadline, EventKind, GaveUp, ReadyCall, RejectionKind, Repeat, Repeated,
    Retry,
};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use crate::{
    decision::{Decision, Failed},
    service::Spare,
};

/// The future of [`JitteredRetry`](crate::JitteredRetry).
#[pin_project]
pub struct ResponseFuture<S: Service<Req>, Req, P> {
    #[pin]
    state: State<S, Req>,
    attempts: Attempts<S, Req, P>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req> {
    Attempting {
        #[pin]
        call: ReadyCall<S, Req>,
    },
    Waiting {
        #[pin]
        timer: Sleep,
    },
    Done,
}

/// What is known of the attempts of one call, across them.
struct Attempts<S, Req, P> {
    spare: Arc<Spare<S>>,
    protocol: P,
    /// Read once, when the call was made.
    deadline: Option<Deadline>,
    /// The number of the attempt under way, or of the last one, from 1.
    current: u32,
    /// What the next one would send; none where none may follow.
    copy: Option<Repeated<Req>>,
    /// The backoff that was drawn last.
    backoff: Option<Duration>,
    /// The error of the attempt before, for the case that the next one is not even sent.
    error: Option<BoxError>,
}

impl<S: Service<Req>, Req, P> ResponseFuture<S, Req, P> {
    pub(crate) fn new(
        call: ReadyCall<S, Req>,
        copy: Option<Repeated<Req>>,
        deadline: Option<Deadline>,
        spare: Arc<Spare<S>>,
        protocol: P,
    ) -> Self {
        Self {
            state: State::Attempting { call },
            attempts: Attempts {
                spare,
                protocol,
                deadline,
                current: 1,
                copy,
                backoff: None,
                error: None,
            },
        }
    }
}

impl<S, Req, P> Attempts<S, Req, P>
where
    S: Service<Req> + Clone,
    P: Classify<S::Response> + Repeat<Req>,
{
    /// Judges the result of the attempt that was made: it is the call's, or else is dropped and
    /// another attempt follows after the delay.
    fn settle(
        &mut self,
        result: Result<S::Response, BoxError>,
    ) -> Result<Duration, Result<S::Response, BoxError>> {
        let judgement = self.protocol.classify(result.as_ref());
        if judgement.retry == Retry::Never {
            return Err(result);
        }
        let shared = &self.spare.shared;
        let failed = Failed {
            judgement,
            attempt: self.current,
            copy: self.copy.as_ref().map(|copy| copy.when),
            previous: self.backoff,
        };
        let now = Instant::now();
        match shared.policy.decide(&failed, self.deadline, now, &shared.randomness) {
            Decision::Stop(why) => {
                shared.reporter.report(EventKind::GaveUp { attempts: self.current, why });
                Err(result)
            }
            Decision::Retry { delay, backoff } => {
                let cause = result.as_ref().err().map(|error| error.as_ref() as _);
                shared.reporter.report(EventKind::Retrying { attempt: self.current, delay, cause });
                self.backoff = Some(backoff);
                // A response is dropped here, before the wait: its connection is free for others
                // in the meantime. An error is kept.
                self.error = result.err();
                Ok(delay)
            }
        }
    }

    /// Begins the next attempt, on an instance of its own, under the deadline of the call. A wait
    /// may have taken longer than it was to take: what would begin too late is not begun.
    fn start(&mut self) -> Result<ReadyCall<S, Req>, BoxError> {
        let shared = &self.spare.shared;
        if self.deadline.is_some_and(Deadline::is_past) {
            let why = GaveUp::Deadline;
            shared.reporter.report(EventKind::GaveUp { attempts: self.current, why });
            let late = RejectionKind::DeadlineExceeded { called: true };
            return Err(self.error.take().unwrap_or_else(|| shared.reporter.reject(late).into()));
        }
        let Repeated { request, .. } = self.copy.take().expect("none is begun without a copy");
        self.current += 1;
        if shared.policy.allows_after(self.current) {
            self.copy = self.protocol.repeat(&request);
        }
        let mut instance = self.spare.instance();
        Ok(Deadline::scope(self.deadline, || ReadyCall::start(&mut instance, request)))
    }
}

impl<S, Req, P> Future for ResponseFuture<S, Req, P>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    P: Classify<S::Response> + Repeat<Req>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let delay = match this.state.as_mut().project() {
                StateProj::Attempting { mut call } => {
                    let result = ready!(call.as_mut().poll(cx)).map_err(Into::into);
                    let sent = call.called();
                    // Whatever the attempt held, a permit for one, is free before the result is
                    // looked at: the next attempt may need it.
                    this.state.set(State::Done);
                    match result {
                        // A service that can not become ready is of no more use, and nor are its
                        // clones: what the dependency itself said is worth more.
                        Err(unready) if !sent => {
                            return Poll::Ready(Err(this.attempts.error.take().unwrap_or(unready)));
                        }
                        result => match this.attempts.settle(result) {
                            Ok(delay) => delay,
                            Err(result) => return Poll::Ready(result),
                        },
                    }
                }
                StateProj::Waiting { timer } => {
                    ready!(timer.poll(cx));
                    this.state.set(State::Done);
                    Duration::ZERO
                }
                StateProj::Done => panic!("ResponseFuture polled after it completed"),
            };
            let next = if delay.is_zero() {
                match this.attempts.start() {
                    Ok(call) => State::Attempting { call },
                    Err(error) => return Poll::Ready(Err(error)),
                }
            } else {
                State::Waiting { timer: sleep(delay) }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Req>, Req, P> fmt::Debug for ResponseFuture<S, Req, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("attempt", &self.attempts.current)
            .finish_non_exhaustive()
    }
}
