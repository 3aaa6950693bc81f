//! Whether another attempt follows, and after how long.

use std::time::Duration;

use buttress_core::{Deadline, GaveUp, Judgement, Randomness, Repeatability, Retry};
use tokio::time::Instant;

use crate::{Backoff, Jitter};

/// What a timer may be late: it has whole milliseconds. An attempt that could begin only at the
/// deadline would be waited for in vain.
const TIMER: Duration = Duration::from_millis(1);

/// What decides whether another attempt follows.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) jitter: Jitter,
    /// The longest delay hint that is waited for.
    pub(crate) hint_limit: Duration,
    /// Whether the refusals of other layers are repeated.
    pub(crate) repeats_refusals: bool,
}

/// An attempt that ended with a result which asks for another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed {
    /// What its result says; its `retry` is not `Never`.
    pub(crate) judgement: Judgement,
    /// Which attempt it was, from 1.
    pub(crate) attempt: u32,
    /// The most attempts that this call may make.
    pub(crate) max_attempts: u32,
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

impl Failed {
    /// Whether the attempt was the last that may be made.
    fn was_last(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    /// Whether the request may be sent again, after what is known of the attempt.
    fn may_repeat(&self) -> bool {
        match self.judgement.retry {
            Retry::Never => false,
            Retry::IfRepeatable => self.copy == Some(Repeatability::Always),
            Retry::Safe => self.copy.is_some(),
        }
    }
}

impl Policy {
    /// Decides, at `now`, what follows a failed attempt. Whether its copy can be sent after all, and
    /// whether that can be paid for, is asked last, by whoever asks here.
    pub(crate) fn decide(
        &self,
        failed: &Failed,
        deadline: Option<Deadline>,
        now: Instant,
        randomness: &Randomness,
    ) -> Decision {
        if failed.was_last() {
            return Decision::Stop(GaveUp::Attempts);
        }
        if !failed.may_repeat() {
            return Decision::Stop(GaveUp::NotRepeatable);
        }
        let hint = failed.judgement.after.unwrap_or_default();
        if hint > self.hint_limit {
            return Decision::Stop(GaveUp::HintTooLong);
        }
        let wait = failed.attempt.saturating_sub(1);
        let remaining = deadline.map(|deadline| deadline.remaining_at(now));
        // Spread no further than leaves half of the time to the attempt itself.
        let most = remaining.map_or(self.hint_limit, |remaining| {
            let half = remaining.saturating_sub(hint) / 2;
            self.hint_limit.min(hint.saturating_add(half))
        });
        // The bound first: it may be a function of the user's, which runs under no lock.
        let bound = self.backoff.bound(wait);
        let (backoff, hinted) = randomness.with(|rng| {
            let backoff = self.backoff.draw(bound, failed.previous, self.jitter, rng);
            (backoff, self.jitter.above(hint, most, rng))
        });
        let delay = backoff.max(hinted);
        // Durations are compared, for a sum of instant and delay could overflow.
        if remaining.is_some_and(|remaining| delay.saturating_add(TIMER) > remaining) {
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

    fn policy() -> Policy {
        Policy {
            max_attempts: 3,
            backoff: Backoff::exponential(BASE, Duration::from_secs(10)),
            jitter: Jitter::None,
            hint_limit: Duration::from_secs(30),
            repeats_refusals: false,
        }
    }

    fn failed(judgement: Judgement) -> Failed {
        Failed {
            judgement,
            attempt: 1,
            max_attempts: 3,
            copy: Some(Repeatability::Always),
            previous: None,
        }
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
            let failed = Failed { judgement, attempt, max_attempts, copy, previous: None };
            let policy = policy();
            let drawn = policy.backoff.bound(attempt - 1);
            let wanted = drawn.max(hint.unwrap_or_default());
            let expected = if attempt >= max_attempts {
                Decision::Stop(GaveUp::Attempts)
            } else if copy.is_none() || (copy == Some(Repeatability::OnlyUnsent) && !safe) {
                Decision::Stop(GaveUp::NotRepeatable)
            } else if hint.is_some_and(|hint| hint.as_secs_f64() > 30.0) {
                Decision::Stop(GaveUp::HintTooLong)
            } else if remaining.is_some_and(|remaining| wanted + TIMER > remaining) {
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
        let at = |hint| decide(&policy(), &failed(Judgement::FAILURE.after(Some(hint))), None);
        let just = Duration::from_secs(30);
        assert_eq!(at(just), Decision::Retry { delay: just, backoff: BASE });
        for long in [just + Duration::from_nanos(1), Duration::from_secs(31_536_000), Duration::MAX]
        {
            assert_eq!(at(long), Decision::Stop(GaveUp::HintTooLong));
        }
    }

    #[test]
    fn the_deadline_itself_is_too_late() {
        let at = |remaining| decide(&policy(), &failed(Judgement::FAILURE), Some(remaining));
        assert_eq!(at(BASE), Decision::Stop(GaveUp::Deadline));
        assert_eq!(at(BASE + TIMER / 2), Decision::Stop(GaveUp::Deadline));
        let more = BASE + TIMER;
        assert_eq!(at(more), Decision::Retry { delay: BASE, backoff: BASE });
        assert_eq!(at(Duration::ZERO), Decision::Stop(GaveUp::Deadline));
    }

    /// Spread upward, a hint passes neither the limit on hints nor half of the time that is left
    /// after it.
    #[test]
    fn a_spread_hint_leaves_time_for_the_attempt() {
        let policy = Policy { jitter: Jitter::Full, ..policy() };
        let second = Duration::from_secs(1);
        let randomness = Randomness::seeded(1);
        let mut longest = [Duration::ZERO; 3];
        for _ in 0..2_000 {
            for (n, (hint, remaining)) in
                [(10, None), (28, None), (10, Some(11))].into_iter().enumerate()
            {
                let failed = failed(Judgement::FAILURE.after(Some(hint * second)));
                let now = Instant::now();
                let deadline = remaining.map(|r| Deadline::after_instant(now, r * second));
                let decision = policy.decide(&failed, deadline, now, &randomness);
                let Decision::Retry { delay, .. } = decision else { panic!("{decision:?}") };
                assert!(delay >= hint * second);
                longest[n] = longest[n].max(delay);
            }
        }
        let [free, limited, bounded] = longest.map(|longest| longest.as_secs_f64());
        assert!(free > 14.9 && free <= 15.0, "{free}");
        assert!(limited > 29.9 && limited <= 30.0, "{limited}");
        assert!(bounded > 10.49 && bounded <= 10.5, "{bounded}");
    }

    /// Even a delay of `Duration::MAX` is compared, not added.
    #[test]
    fn an_endless_delay_does_not_overflow() {
        let mut policy = policy();
        policy.backoff = Backoff::exponential(Duration::MAX, Duration::MAX);
        let failed = failed(Judgement::FAILURE);
        let stopped = decide(&policy, &failed, Some(Duration::MAX));
        assert_eq!(stopped, Decision::Stop(GaveUp::Deadline));
        let endless = Decision::Retry { delay: Duration::MAX, backoff: Duration::MAX };
        assert_eq!(decide(&policy, &failed, None), endless);
    }
}
