//! Whether another attempt follows, and after how long.

use std::time::Duration;

use buttress_core::{Deadline, GaveUp, Judgement, Randomness, Repeatability, Retry};
use tokio::time::Instant;

use crate::{Backoff, Jitter};

/// The longest delay hint that is waited for.
///
/// Half a minute is what callers, gateways and load balancers commonly allow a request. A
/// dependency that asks for more is not coming back within this call, and a caller that is told
/// so now can do something else; one held by the hint, for an hour or for a year, can not.
const LONGEST_HINT: Duration = Duration::from_secs(30);

/// What decides whether another attempt follows.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) jitter: Jitter,
}

/// An attempt that ended with a result which asks for another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed {
    /// What its result says; its `retry` is not `Never`.
    pub(crate) judgement: Judgement,
    /// Which attempt it was, from 1.
    pub(crate) attempt: u32,
    /// When the copy of the request may be sent, if there is one.
    pub(crate) copy: Option<Repeatability>,
    /// The backoff drawn before it, if it was not the first.
    pub(crate) previous: Option<Duration>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: its result is the call's.
    Stop(GaveUp),
    /// Another attempt.
    Retry {
        /// After this long.
        delay: Duration,
        /// The part of it that was drawn: a hint has no say in the waits after it.
        backoff: Duration,
    },
}

impl Policy {
    /// Whether another attempt may follow attempt number `attempt`.
    pub(crate) fn allows_after(&self, attempt: u32) -> bool {
        attempt < self.max_attempts
    }

    /// Decides, at `now`, what follows a failed attempt.
    pub(crate) fn decide(
        &self,
        failed: &Failed,
        deadline: Option<Deadline>,
        now: Instant,
        randomness: &Randomness,
    ) -> Decision {
        let Failed { judgement, attempt, copy, previous } = *failed;
        if !self.allows_after(attempt) {
            return Decision::Stop(GaveUp::Attempts);
        }
        let repeatable = match judgement.retry {
            Retry::Never => false,
            Retry::IfRepeatable => copy == Some(Repeatability::Always),
            Retry::Safe => copy.is_some(),
        };
        if !repeatable {
            return Decision::Stop(GaveUp::NotRepeatable);
        }
        let hint = judgement.after.unwrap_or_default();
        if hint > LONGEST_HINT {
            return Decision::Stop(GaveUp::HintTooLong);
        }
        let backoff = randomness
            .with(|rng| self.backoff.next(attempt.saturating_sub(1), previous, self.jitter, rng));
        let delay = backoff.max(hint);
        // Compared with what remains: a sum of instant and delay could overflow.
        if deadline.is_some_and(|deadline| delay >= deadline.remaining_at(now)) {
            return Decision::Stop(GaveUp::Deadline);
        }
        Decision::Retry { delay, backoff }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_millis(100);

    fn policy(max_attempts: u32) -> Policy {
        let backoff = Backoff::exponential(BASE, Duration::from_secs(10));
        Policy { max_attempts, backoff, jitter: Jitter::None }
    }

    fn failed(judgement: Judgement) -> Failed {
        Failed { judgement, attempt: 1, copy: Some(Repeatability::Always), previous: None }
    }

    fn decide(policy: &Policy, failed: &Failed, remaining: Option<Duration>) -> Decision {
        let now = Instant::now();
        let deadline = remaining.map(|remaining| Deadline::after_instant(now, remaining));
        policy.decide(failed, deadline, now, &Randomness::seeded(1))
    }

    proptest! {
        /// Whatever comes together: at most so many attempts, nothing sent twice that must not
        /// be, no delay that reaches the deadline, above the longest hint or below the hint.
        #[test]
        fn a_retry_breaks_no_limit(
            (max_attempts, attempt) in (1..=5_u32, 1..=6_u32),
            safe: bool,
            copy in prop_oneof![
                Just(None),
                Just(Some(Repeatability::Always)),
                Just(Some(Repeatability::OnlyUnsent)),
            ],
            hint in proptest::option::of(0..40_000_u64),
            remaining in proptest::option::of(0..40_000_u64),
        ) {
            let [hint, remaining] = [hint, remaining].map(|o| o.map(Duration::from_millis));
            let retry = if safe { Retry::Safe } else { Retry::IfRepeatable };
            let judgement = Judgement::FAILURE.retry(retry).after(hint);
            let failed = Failed { judgement, attempt, copy, previous: None };
            let policy = policy(max_attempts);
            let drawn = policy.backoff.bound(attempt - 1);
            let wanted = drawn.max(hint.unwrap_or_default());
            let expected = if attempt >= max_attempts {
                Decision::Stop(GaveUp::Attempts)
            } else if copy.is_none() || (copy == Some(Repeatability::OnlyUnsent) && !safe) {
                Decision::Stop(GaveUp::NotRepeatable)
            } else if hint.is_some_and(|hint| hint.as_secs_f64() > 30.0) {
                Decision::Stop(GaveUp::HintTooLong)
            } else if remaining.is_some_and(|remaining| wanted >= remaining) {
                Decision::Stop(GaveUp::Deadline)
            } else {
                Decision::Retry { delay: wanted, backoff: drawn }
            };
            prop_assert_eq!(decide(&policy, &failed, remaining), expected);
        }
    }

    /// A year of sleep, because a server said so.
    #[test]
    fn a_hint_does_not_bypass_the_maximum() {
        let at = |hint| decide(&policy(3), &failed(Judgement::FAILURE.after(Some(hint))), None);
        let just = Duration::from_secs(30);
        assert_eq!(at(just), Decision::Retry { delay: just, backoff: BASE });
        for long in [just + Duration::from_nanos(1), Duration::from_secs(31_536_000), Duration::MAX]
        {
            assert_eq!(at(long), Decision::Stop(GaveUp::HintTooLong));
        }
    }

    #[test]
    fn the_deadline_itself_is_too_late() {
        let at = |remaining| decide(&policy(3), &failed(Judgement::FAILURE), Some(remaining));
        assert_eq!(at(BASE), Decision::Stop(GaveUp::Deadline));
        let more = BASE + Duration::from_nanos(1);
        assert_eq!(at(more), Decision::Retry { delay: BASE, backoff: BASE });
        assert_eq!(at(Duration::ZERO), Decision::Stop(GaveUp::Deadline));
    }

    /// Even a delay of `Duration::MAX` is compared, not added.
    #[test]
    fn an_endless_delay_does_not_overflow() {
        let mut policy = policy(3);
        policy.backoff = Backoff::exponential(Duration::MAX, Duration::MAX);
        let failed = failed(Judgement::FAILURE);
        let stopped = decide(&policy, &failed, Some(Duration::MAX));
        assert_eq!(stopped, Decision::Stop(GaveUp::Deadline));
        let endless = Decision::Retry { delay: Duration::MAX, backoff: Duration::MAX };
        assert_eq!(decide(&policy, &failed, None), endless);
    }
}
