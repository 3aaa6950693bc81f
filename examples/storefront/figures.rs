//! The figures of one gateway, computed from what was measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    faults::Script,
    load::Arrival,
    measure::{Answer, Meter, Outcome},
    parts::Parts,
    priced::Priced,
    shop::Upstream,
};

/// An answer that comes later is of no use to a visitor.
const IN_TIME: Duration = Duration::from_secs(1);

/// How long pages must have been full for the gateway to be well again.
const WELL: Duration = Duration::from_secs(1);

/// An hour: longer than any latency of a run.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// The figures of one gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// The part of the requests that got a page, full or degraded, within a second of when they
    /// were due.
    pub(crate) answered_within_1s: f64,
    pub(crate) full_pages: usize,
    pub(crate) degraded_pages: usize,
    /// Requests that got no page; those still unanswered at the end are among them.
    pub(crate) errors: usize,
    pub(crate) unanswered: usize,
    pub(crate) priced: Priced,
    /// Of all pages, who served which part.
    pub(crate) parts: Parts,
    pub(crate) latency_ms: Latency,
    /// From the beginning of the first fault to the end of the last. What is sent to a service that
    /// stands in for another is sent for the same call.
    pub(crate) calls_wanted: u64,
    pub(crate) calls_sent: u64,
    pub(crate) amplification: f64,
    pub(crate) first_fast_failures: Vec<FirstFastFailure>,
    /// The slowest of them; none if a fault never made a call fail fast.
    pub(crate) first_fast_failure_worst_s: Option<f64>,
    /// From the end of the last fault to the first moment from which all requests that were due
    /// in one second got full pages; none if the run ended before.
    pub(crate) full_pages_again_s: Option<f64>,
}

/// Of all requests, counted from when they were due to the end of the answer, whatever it was.
/// One that is unanswered counts with the time that it had waited when the run ended.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// From the beginning of the first fault of an upstream to the end of the first call to that upstream which began after
/// it, and was over within 10 ms without the real answer: refused, failed or degraded.
#[derive(Debug, Serialize)]
pub(crate) struct FirstFastFailure {
    pub(crate) upstream: &'static str,
    pub(crate) after_s: Option<f64>,
}

/// The moments of a run, counted from the start of the load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) recovered: Duration,
    pub(crate) run_ended: Duration,
    /// When the last unanswered request was given up.
    pub(crate) given_up: Duration,
}

impl Figures {
    /// The figures of the gateway that `meter` measured.
    pub(crate) fn of(
        meter: &Meter,
        schedule: &[Arrival],
        script: &Script,
        moments: Moments,
    ) -> Self {
        let answers = meter.answers();
        let calls = meter.calls_during_faults();
        let count = |outcome| answers.iter().flatten().filter(|a| a.outcome == outcome).count();
        let (full, degraded) = (count(Outcome::Full), count(Outcome::Degraded));
        let first_fast_failures: Vec<_> = Upstream::PARTS
            .into_iter()
            .filter(|upstream| script.of_upstream(*upstream).next().is_some())
            .map(|upstream| FirstFastFailure {
                upstream: upstream.name(),
                after_s: meter.first_fast_failure(upstream).map(|d| d.as_secs_f64()),
            })
            .collect();
        let due: Vec<_> = schedule.iter().map(|arrival| arrival.at).collect();
        Self {
            answered_within_1s: answered_in_time(&answers),
            full_pages: full,
            degraded_pages: degraded,
            errors: answers.len() - full - degraded,
            unanswered: answers.iter().filter(|answer| answer.is_none()).count(),
            priced: Priced::of(schedule, &answers, script),
            parts: meter.parts(),
            latency_ms: Latency::of(&due, &answers, moments.given_up),
            calls_wanted: calls.wanted,
            calls_sent: calls.sent,
            amplification: ratio(calls.sent, calls.wanted),
            first_fast_failure_worst_s: first_fast_failures
                .iter()
                .map(|first| first.after_s)
                .reduce(|a, b| Some(a?.max(b?)))
                .flatten(),
            first_fast_failures,
            full_pages_again_s: full_again(&due, &answers, moments).map(|d| d.as_secs_f64()),
        }
    }
}

/// The part of the whole; zero of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The part of the requests that got a page in time.
fn answered_in_time(answers: &[Option<Answer>]) -> f64 {
    let in_time = |answer: &&Answer| answer.outcome != Outcome::Failed && answer.latency <= IN_TIME;
    let count = answers.iter().flatten().filter(in_time).count();
    ratio(count as u64, answers.len() as u64)
}

/// From the recovery to the first moment from which a second's worth of pages are full. The
/// second must lie within the run, and have requests in it.
fn full_again(due: &[Duration], answers: &[Option<Answer>], moments: Moments) -> Option<Duration> {
    let mut from = moments.recovered;
    // Whether a page was due since, all of them being full.
    let mut full = false;
    for (&at, answer) in due.iter().zip(answers) {
        if at < moments.recovered {
            continue;
        }
        if full && at > from + WELL {
            break;
        }
        full = answer.is_some_and(|answer| answer.outcome == Outcome::Full);
        if !full {
            from = at;
        }
    }
    (full && from + WELL <= moments.run_ended).then(|| from.saturating_sub(moments.recovered))
}

impl Latency {
    fn of(due: &[Duration], answers: &[Option<Answer>], given_up: Duration) -> Self {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_MICROS, 3)
            .expect("the bounds are in order and three digits are allowed");
        for (&at, answer) in due.iter().zip(answers) {
            let latency = answer.map_or(given_up.saturating_sub(at), |answer| answer.latency);
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
        let ms = |micros: u64| micros as f64 / 1000.0;
        Self {
            p50: ms(histogram.value_at_quantile(0.50)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(outcome: Outcome, ms: u32) -> Answer {
        Answer { outcome, priced: false, latency: ms * MS }
    }

    #[test]
    fn in_time_is_a_page_within_a_second() {
        let answers = [
            Some(answer(Outcome::Full, 1000)),
            Some(answer(Outcome::Full, 1001)),
            Some(answer(Outcome::Degraded, 3)),
            Some(answer(Outcome::Failed, 3)),
            None,
        ];
        assert!((answered_in_time(&answers) - 0.4).abs() < f64::EPSILON);
        assert!(answered_in_time(&[]).abs() < f64::EPSILON, "nothing was shown");
    }

    #[test]
    fn an_unanswered_request_counts_with_its_wait() {
        let due = [Duration::ZERO, 1000 * MS];
        let latency = Latency::of(&due, &[Some(answer(Outcome::Full, 5)), None], 9000 * MS);
        assert!((latency.p50 - 5.0).abs() < 0.1, "{latency:?}");
        assert!((latency.max - 8000.0).abs() < 10.0, "{latency:?}");
    }

    /// A page each tenth of a second for five seconds, the recovery after one; not full are those
    /// that are due at these tenths.
    fn full_again_without(not_full: &[u32]) -> Option<Duration> {
        let due: Vec<_> = (0..50).map(|tenth| tenth * 100 * MS).collect();
        let answers: Vec<_> = (0..50)
            .map(|tenth| {
                let full = !not_full.contains(&tenth);
                Some(answer(if full { Outcome::Full } else { Outcome::Degraded }, 1))
            })
            .collect();
        let moments = Moments { recovered: 1000 * MS, run_ended: 5000 * MS, given_up: 6000 * MS };
        full_again(&due, &answers, moments)
    }

    #[test]
    fn full_again_is_where_a_full_second_begins() {
        assert_eq!(full_again_without(&[]), Some(Duration::ZERO));
        assert_eq!(full_again_without(&[3, 9]), Some(Duration::ZERO), "before the recovery");
        assert_eq!(full_again_without(&[3, 16]), Some(600 * MS), "a second that began before");
        assert_eq!(full_again_without(&[10, 14]), Some(400 * MS));
        assert_eq!(full_again_without(&[14, 22]), Some(1200 * MS), "less than a second between");
        assert_eq!(full_again_without(&[14, 26]), Some(400 * MS), "a second was enough");
        assert_eq!(full_again_without(&[14, 24, 34, 44]), None, "no second is left");
        assert_eq!(full_again_without(&(0..50).collect::<Vec<_>>()), None);
    }

    #[test]
    fn full_again_needs_pages_to_be_seen() {
        let moments = Moments { recovered: 1000 * MS, run_ended: 5000 * MS, given_up: 6000 * MS };
        assert_eq!(full_again(&[], &[], moments), None);
    }

    #[test]
    fn a_part_of_nothing_is_nothing() {
        assert!(ratio(0, 0).abs() < f64::EPSILON);
        assert!((ratio(3, 2) - 1.5).abs() < f64::EPSILON);
    }
}
