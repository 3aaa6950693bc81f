//! What became of calls, and figures of many of them.

use std::time::Duration;

use buttress::prelude::{BoxError, Rejection, RejectionKind};
use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::dependency::Dependency;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has its answer.
    Served,
    /// Refused at once: no place to be in nor to wait in.
    Full,
    /// Refused when it had waited for as long as its caller has patience.
    QueueTimeout,
    /// Cut by the limit of an attempt, or without an answer when the run was over.
    Failed,
}

impl Outcome {
    pub(crate) fn of(answer: &Result<Bytes, BoxError>) -> Self {
        let Err(error) = answer else { return Self::Served };
        match Rejection::find(error.as_ref()).map(Rejection::kind) {
            Some(RejectionKind::BulkheadFull { .. }) => Self::Full,
            Some(RejectionKind::QueueTimeout { .. }) => Self::QueueTimeout,
            _ => Self::Failed,
        }
    }
}

/// A call that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// When it was due, from the start of the load.
    pub(crate) at: Duration,
    pub(crate) dependency: Dependency,
    pub(crate) outcome: Outcome,
    /// Until its caller knew what became of it, served or not.
    pub(crate) latency: Duration,
}

/// Figures of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) served: u64,
    pub(crate) full: u64,
    pub(crate) queue_timeout: u64,
    pub(crate) failed: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Figures {
    pub(crate) fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut figures = Self::default();
        let mut latencies = Vec::new();
        for call in calls {
            figures.calls += 1;
            *match call.outcome {
                Outcome::Served => &mut figures.served,
                Outcome::Full => &mut figures.full,
                Outcome::QueueTimeout => &mut figures.queue_timeout,
                Outcome::Failed => &mut figures.failed,
            } += 1;
            latencies.push(call.latency);
        }
        [figures.p50_ms, figures.p99_ms] = percentiles_ms(latencies, [0.5, 0.99]);
        figures
    }

    /// Of several rounds: all calls, and the medians of the percentiles.
    pub(crate) fn of_rounds(rounds: &[Self]) -> Self {
        let sum = |count: fn(&Self) -> u64| rounds.iter().map(count).sum();
        Self {
            calls: sum(|round| round.calls),
            served: sum(|round| round.served),
            full: sum(|round| round.full),
            queue_timeout: sum(|round| round.queue_timeout),
            failed: sum(|round| round.failed),
            p50_ms: median(rounds.iter().map(|round| round.p50_ms)),
            p99_ms: median(rounds.iter().map(|round| round.p99_ms)),
        }
    }

    /// The part of the calls that was served; of none, nothing.
    pub(crate) fn part_served(&self) -> f64 {
        self.served as f64 / self.calls.max(1) as f64
    }
}

/// What these parts of the latencies did not exceed, in milliseconds.
pub(crate) fn percentiles_ms<const N: usize>(
    latencies: impl IntoIterator<Item = Duration>,
    parts: [f64; N],
) -> [f64; N] {
    // Up to a minute, with three digits.
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("they fit");
    for latency in latencies {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        histogram.saturating_record(micros);
    }
    parts.map(|part| histogram.value_at_quantile(part) as f64 / 1000.0)
}

/// The middle one; of an even number, the mean of the two in the middle; of none, not a number.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_failure_also_inside_another_error() {
        let full = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
        let waited = PATIENCE;
        let late = RejectionKind::QueueTimeout { limit: 1, in_flight: 1, queued: 0, waited };
        let cut = RejectionKind::DeadlineExceeded { called: true };
        let of = |kind| {
            let rejection = Rejection::new("bulkhead", Arc::from("payment"), kind);
            Outcome::of(&Err(std::io::Error::other(rejection).into()))
        };
        assert_eq!(of(full), Outcome::Full);
        assert_eq!(of(late), Outcome::QueueTimeout);
        assert_eq!(of(cut), Outcome::Failed);
        assert_eq!(Outcome::of(&Err("no connection".into())), Outcome::Failed);
        assert_eq!(Outcome::of(&Ok(Bytes::new())), Outcome::Served);
    }

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn figures_are_of_all_calls_served_or_not() {
        let call = |ms, outcome| Call {
            at: Duration::ZERO,
            dependency: Dependency::Email,
            outcome,
            latency: Duration::from_millis(ms),
        };
        let calls = [
            call(20, Outcome::Served),
            call(1000, Outcome::QueueTimeout),
            call(0, Outcome::Full),
            call(30, Outcome::Served),
            call(500, Outcome::Failed),
        ];
        let figures = Figures::of(&calls);
        let Figures { calls, served, full, queue_timeout, failed, p50_ms, p99_ms } = figures;
        assert_eq!((calls, served, full, queue_timeout, failed), (5, 2, 1, 1, 1));
        assert!((p50_ms - 30.0).abs() < 0.1, "{p50_ms}");
        assert!((p99_ms - 1000.0).abs() < 1.0, "{p99_ms}");
        assert!((figures.part_served() - 0.4).abs() < f64::EPSILON);
    }

    #[test]
    fn rounds_add_up_and_one_odd_round_moves_no_percentile() {
        let round =
            |p99_ms| Figures { calls: 10, served: 9, full: 1, p99_ms, ..Figures::default() };
        let all = Figures::of_rounds(&[round(30.0), round(900.0), round(31.0)]);
        assert_eq!((all.calls, all.served, all.full), (30, 27, 3));
        assert!((all.p99_ms - 31.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let close = |a: f64, b: f64| (a - b).abs() < f64::EPSILON;
        assert!(close(median([3.0, 1.0, 2.0]), 2.0));
        assert!(close(median([4.0, 1.0, 3.0, 2.0]), 2.5));
        assert!(close(median([1.0]), 1.0));
        assert!(median([]).is_nan());
    }
}
