//! What is known of the attempts of one call, across them.

use std::{pin::Pin, time::Duration};

use buttress_core::{
    Anchored, Attempt, BoxError, Classify, Deadline, Discard, EventKind, GaveUp, Judgement,
    Obstacle, Outcome, ReadyCall, Rejection, RejectionKind, Repeat, Repeated, Retry, Stripe,
};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    RetryBudget, Withdrawal,
    decision::{Decision, Failed},
    service::Spare,
    unsent::Unsent,
};

/// How long, and how often, a body is waited for that the attempt before has not let go of. Clients
/// tell of a broken connection a moment before they drop what they were sending over it.
const LINGER: Duration = Duration::from_millis(5);
const MOST_LINGERS: u32 = 10;

/// What is known of the attempts of one call, across them.
pub(crate) struct Attempts<S, Req, P> {
    spare: Anchored<Stripe<Spare<S>>>,
    protocol: P,
    /// The call's own, where it is not the layer's.
    budget: Option<RetryBudget>,
    /// Read once, when the call was made.
    deadline: Option<Deadline>,
    /// The number of the attempt under way, or of the last one, from 1.
    current: u32,
    /// The most that there may be; zero if the layer is switched off, and they do not count.
    of: u32,
    /// What the next one would send; none where none may follow.
    copy: Option<Repeated<Req>>,
    /// The backoff that was drawn last.
    backoff: Option<Duration>,
    /// The error of the attempt before, for the case that the next one is not even sent.
    error: Option<BoxError>,
    /// How often the body was waited for.
    lingered: u32,
    /// Whether it was left to the one outside to end the call.
    left: bool,
}

/// What is known of a call before its first attempt.
pub(crate) struct First<Req> {
    /// What the next one would send.
    pub(crate) copy: Option<Repeated<Req>>,
    /// The most that there may be.
    pub(crate) of: u32,
    /// The call's own.
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) deadline: Option<Deadline>,
}

impl<Req> First<Req> {
    /// Of a layer that is switched off: its calls are no attempts.
    pub(crate) const OFF: Self = Self { copy: None, of: 0, budget: None, deadline: None };
}

/// The way to the next attempt.
pub(crate) struct Wait<D> {
    pub(crate) delay: Duration,
    /// What it is paid with; none where nothing is asked for.
    pub(crate) paid: Option<Withdrawal>,
    /// Reads the rest of the response that it is to replace.
    pub(crate) discarding: Option<Pin<Box<D>>>,
}

/// What comes after a wait.
pub(crate) enum Next<S: Service<Req>, Req, D> {
    /// The attempt, and what there is to it until it is sent, if its service was not ready.
    Attempt(ReadyCall<S, Req>, Option<Box<Unsent>>),
    /// Another wait.
    Wait(Wait<D>),
}

impl<S, Req, P> Attempts<S, Req, P> {
    #[inline]
    pub(crate) fn first(first: First<Req>, spare: Anchored<Stripe<Spare<S>>>, protocol: P) -> Self {
        let First { copy, of, budget, deadline } = first;
        let (current, lingered, left) = (1, 0, false);
        let (backoff, error) = (None, None);
        Self {
            spare,
            protocol,
            budget,
            deadline,
            current,
            of,
            copy,
            backoff,
            error,
            lingered,
            left,
        }
    }

    /// The number of the attempt under way, or of the last one, from 1.
    pub(crate) fn current(&self) -> u32 {
        self.current
    }

    /// What the call comes to when an attempt could not be sent for want of readiness. A service
    /// that can not become ready is of no more use, and nor are its clones: what the dependency
    /// itself said is worth more.
    pub(crate) fn unready(&mut self, unready: BoxError) -> BoxError {
        self.copy = None;
        self.error.take().unwrap_or(unready)
    }

    /// Whether it is left, once, to the one outside whose deadline has passed to end the call: he
    /// names his limit, where there is no error of the dependency to give.
    pub(crate) fn leaves_it(&mut self) -> bool {
        let leaves =
            !self.left && self.error.is_none() && self.deadline.is_some_and(Deadline::is_enforced);
        self.left |= leaves;
        leaves
    }

    /// What the call comes to when its time is up before the next attempt was sent.
    fn overdue(&mut self) -> BoxError {
        self.give_up(GaveUp::Deadline);
        let late = RejectionKind::DeadlineExceeded { called: true };
        let reporter = &self.spare.shared.reporter;
        self.error.take().unwrap_or_else(|| reporter.reject(late).into())
    }

    /// The same for one that was begun and could not be sent.
    pub(crate) fn unsent(&mut self) -> BoxError {
        self.current -= 1;
        self.overdue()
    }

    fn give_up(&mut self, why: GaveUp) {
        // It may hold what the attempt that was made still sends.
        self.copy = None;
        let attempts = self.current;
        self.spare.shared.reporter.report(EventKind::GaveUp { attempts, why });
    }

    fn budget(&self) -> Option<&RetryBudget> {
        self.budget.as_ref().or(self.spare.shared.budget.as_ref())
    }
}

impl<S, Req, P> Attempts<S, Req, P>
where
    S: Service<Req> + Clone,
    P: Classify<S::Response> + Repeat<Req> + Discard<S::Response>,
{
    /// Judges the result of the attempt that was made; none if it is the call's.
    #[inline]
    pub(crate) fn judge(&mut self, result: Result<&S::Response, &BoxError>) -> Option<Judgement> {
        if self.of == 0 {
            return None;
        }
        let mut judgement = self.protocol.classify(result);
        // Of the refusals of other layers, what the settings say.
        if judgement.retry == Retry::Never
            && self.spare.shared.policy.repeats_refusals
            && result.err().is_some_and(may_pass)
        {
            judgement = judgement.retry(Retry::Safe);
        }
        if self.current == 1
            && judgement.outcome == Outcome::Success
            && let Some(budget) = self.budget()
        {
            budget.deposit();
        }
        if judgement.retry == Retry::Never {
            self.copy = None;
            return None;
        }
        Some(judgement)
    }

    /// Takes a result that was judged: another attempt follows after a wait, and it is dropped, or it
    /// is the call's after all.
    pub(crate) fn settle(
        &mut self,
        result: Result<S::Response, BoxError>,
        judgement: Judgement,
    ) -> Result<Wait<P::Discarding>, Result<S::Response, BoxError>> {
        let (delay, paid) = match self.decide(judgement, result.is_ok()) {
            Ok(next) => next,
            Err(why) => {
                self.give_up(why);
                return Err(result);
            }
        };
        let attempt = self.current;
        let cause = result.as_ref().err().map(|error| error.as_ref() as _);
        self.spare.shared.reporter.report(EventKind::Retrying { attempt, delay, cause });
        let discarding = match result {
            // Gone before the wait, but for a short rest that may be worth its connection: that is
            // free for others in the meantime.
            Ok(response) => {
                self.error = None;
                self.protocol.discard(response).map(Box::pin)
            }
            Err(error) => {
                self.error = Some(error);
                None
            }
        };
        Ok(Wait { delay, paid, discarding })
    }

    fn decide(
        &mut self,
        judgement: Judgement,
        answered: bool,
    ) -> Result<(Duration, Option<Withdrawal>), GaveUp> {
        let failed = Failed {
            judgement,
            attempt: self.current,
            max_attempts: self.of,
            copy: self.copy.as_ref().map(|copy| copy.when),
            previous: self.backoff,
        };
        let shared = &self.spare.shared;
        let decision =
            shared.policy.decide(&failed, self.deadline, Instant::now(), &shared.randomness);
        let (delay, backoff) = match decision {
            Decision::Stop(why) => return Err(why),
            Decision::Retry { delay, backoff } => (delay, backoff),
        };
        match self.obstacle(answered) {
            None => {}
            // Not for long: see `start`.
            Some(Obstacle::StillSending) if !answered => {}
            Some(obstacle) => return Err(GaveUp::Obstacle(obstacle)),
        }
        let now = Instant::now();
        // Paid before the wait: those who wait together must not find that out after it.
        let paid = match self.budget() {
            Some(budget) => Some(budget.withdraw(now).ok_or(GaveUp::Budget)?),
            None => None,
        };
        self.backoff = Some(backoff);
        Ok((delay, paid))
    }

    fn obstacle(&mut self, answered: bool) -> Option<Obstacle> {
        let copy = self.copy.as_mut()?;
        self.protocol.obstacle(&mut copy.request, answered)
    }

    /// Begins the next attempt, on an instance of its own, under the deadline of the call. A wait
    /// may have taken longer than it was to take: what would begin too late is not begun.
    pub(crate) fn start(
        &mut self,
        paid: Option<Withdrawal>,
    ) -> Result<Next<S, Req, P::Discarding>, BoxError> {
        let remaining = self.deadline.map(Deadline::remaining);
        if remaining.is_some_and(|remaining| remaining.is_zero()) {
            if self.leaves_it() {
                return Ok(Next::Wait(Wait { delay: Deadline::GRACE, paid, discarding: None }));
            }
            return Err(self.overdue());
        }
        match self.obstacle(false) {
            None => {}
            Some(Obstacle::StillSending) if self.lingered < MOST_LINGERS => {
                self.lingered += 1;
                let delay = remaining.map_or(LINGER, |remaining| remaining.min(LINGER));
                return Ok(Next::Wait(Wait { delay, paid, discarding: None }));
            }
            Some(obstacle) => {
                self.give_up(GaveUp::Obstacle(obstacle));
                return Err(self.error.take().unwrap_or_else(|| obstacle.to_string().into()));
            }
        }
        let Repeated { mut request, .. } = self.copy.take().expect("none is begun without a copy");
        (self.current, self.lingered) = (self.current + 1, 0);
        if self.current < self.of {
            self.copy = self.protocol.repeat(&request);
        }
        self.protocol.mark(&mut request, Attempt::new(self.current, self.of));
        let mut instance = self.spare.instance();
        let call = Deadline::scope(self.deadline, || ReadyCall::start(&mut instance, request));
        if call.called() {
            if let Some(paid) = paid {
                paid.spend();
            }
            return Ok(Next::Attempt(call, None));
        }
        Ok(Next::Attempt(call, Some(Box::new(Unsent::new(paid, self.deadline)))))
    }
}

/// Whether a layer of this suite refused the call, in a way that may pass.
///
/// Only if the error itself is the refusal: one further down the chain may come from a service
/// that had done something before it made the call which was refused.
fn may_pass(error: &BoxError) -> bool {
    let kind = error.downcast_ref::<Rejection>().map(Rejection::kind);
    matches!(
        kind,
        Some(
            RejectionKind::CircuitOpen { .. }
                | RejectionKind::BulkheadFull { .. }
                | RejectionKind::QueueTimeout { .. }
        )
    )
}
