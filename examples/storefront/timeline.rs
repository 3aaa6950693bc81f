//! Which upstream fails when, and how.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::shop::Upstream;

/// What fails in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Most upstreams, and all recover.
    Usual,
    /// The same, but that pricing is down from the first quarter of the run to its end.
    PricingDown,
}

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Requests are taken and never answered.
    Hangs,
    /// This part of the requests is answered with a 503.
    Unavailable(f64),
    /// Each answer takes this much longer.
    Slow(Duration),
    /// Nobody listens at the port.
    Refuses,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangs => f.write_str("hangs"),
            Self::Unavailable(rate) => write!(f, "answers 503 to {:.0} %", rate * 100.0),
            Self::Slow(delay) => write!(f, "takes {} s longer", delay.as_secs_f64()),
            Self::Refuses => f.write_str("refuses connections"),
        }
    }
}

/// A fault of an upstream, from one moment to another; moments count from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) upstream: Upstream,
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Window {
    pub(crate) fn contains(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// A moment at which an upstream begins to fail, or recovers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) upstream: Upstream,
    pub(crate) fault: Option<Fault>,
}

/// The faults of one run, one for an upstream at most.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timeline {
    pub(crate) windows: Vec<Window>,
}

impl Timeline {
    /// The faults of a run of this length.
    ///
    /// They begin one after another and overlap, as the faults of an outage do: for most of the
    /// time the hang, the 503s and the refused connections are there together. What stands in for
    /// the recommendations hangs for a while itself. The images stay well. The last two fifths of
    /// the run show the recovery.
    pub(crate) fn of(scenario: Scenario, run: Duration) -> Self {
        let window = |upstream, fault, from, to| {
            let (from, to) = (run.mul_f64(from), run.mul_f64(to));
            Window { upstream, fault, from, to }
        };
        let pricing = match scenario {
            Scenario::Usual => {
                window(Upstream::Pricing, Fault::Slow(Duration::from_secs(2)), 0.35, 0.60)
            }
            Scenario::PricingDown => window(Upstream::Pricing, Fault::Refuses, 0.25, 1.0),
        };
        Self {
            windows: vec![
                window(Upstream::Recommendations, Fault::Hangs, 0.15, 0.50),
                window(Upstream::Search, Fault::Unavailable(0.6), 0.20, 0.60),
                window(Upstream::Profile, Fault::Refuses, 0.25, 0.60),
                window(Upstream::Regional, Fault::Hangs, 0.30, 0.40),
                pricing,
            ],
        }
    }

    /// The time in which an upstream fails; none if it stays well.
    pub(crate) fn window(&self, upstream: Upstream) -> Option<Window> {
        self.windows.iter().copied().find(|window| window.upstream == upstream)
    }

    /// The fault of an upstream at a moment.
    pub(crate) fn fault(&self, upstream: Upstream, at: Duration) -> Option<Fault> {
        let window = self.window(upstream).filter(|window| window.contains(at));
        window.map(|window| window.fault)
    }

    /// The same faults as changes in the order of time.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self
            .windows
            .iter()
            .flat_map(|&Window { upstream, fault, from, to }| {
                let begins = Change { at: from, upstream, fault: Some(fault) };
                [begins, Change { at: to, upstream, fault: None }]
            })
            .collect();
        changes.sort_by_key(|change| change.at);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_secs(20);

    #[test]
    fn scales_with_the_run() {
        for scenario in [Scenario::Usual, Scenario::PricingDown] {
            let short = Timeline::of(scenario, RUN).changes();
            let long = Timeline::of(scenario, RUN * 10).changes();
            assert_eq!(short.len(), 10);
            for (short, long) in short.iter().zip(&long) {
                assert_eq!(short.at * 10, long.at);
                assert_eq!((short.upstream, short.fault), (long.upstream, long.fault));
            }
        }
    }

    #[test]
    fn in_the_end_everything_has_recovered() {
        let changes = Timeline::of(Scenario::Usual, RUN).changes();
        assert!(changes.is_sorted_by_key(|change| change.at));
        for upstream in Upstream::ALL {
            let last = changes.iter().rfind(|change| change.upstream == upstream);
            assert!(last.is_none_or(|change| change.fault.is_none() && change.at < RUN));
        }
    }

    #[test]
    fn an_upstream_has_one_fault_at_most() {
        for scenario in [Scenario::Usual, Scenario::PricingDown] {
            let Timeline { windows } = Timeline::of(scenario, RUN);
            for (n, window) in windows.iter().enumerate() {
                assert!(window.from < window.to);
                assert!(windows.iter().skip(n + 1).all(|other| other.upstream != window.upstream));
            }
        }
    }

    #[test]
    fn pricing_that_is_down_stays_down_and_all_else_is_as_usual() {
        let [usual, down] =
            [Scenario::Usual, Scenario::PricingDown].map(|scenario| Timeline::of(scenario, RUN));
        for upstream in Upstream::ALL {
            if upstream == Upstream::Pricing {
                let window = down.window(upstream).unwrap();
                assert_eq!((window.fault, window.to), (Fault::Refuses, RUN));
            } else {
                assert_eq!(down.window(upstream), usual.window(upstream));
            }
        }
    }

    #[test]
    fn what_stands_in_for_the_recommendations_fails_while_it_is_needed() {
        let timeline = Timeline::of(Scenario::Usual, RUN);
        let [needed, fails] = [Upstream::Recommendations, Upstream::Regional]
            .map(|upstream| timeline.window(upstream).unwrap());
        assert!(needed.contains(fails.from) && needed.contains(fails.to));
    }
}
