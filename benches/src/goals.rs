//! What is asked of the figures.

use crate::{
    end_to_end,
    results::{Figures, Results, Who},
};

/// A goal for ours in one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The row.
    pub row: &'static str,
    /// What has to be true of it.
    pub asks: Asks,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asks {
    /// At most so many nanoseconds. For orientation: machines differ.
    Nanos(f64),
    /// At most so many times the time of this library, in the same run.
    Times(f64, Who),
    /// No allocation at all.
    NoAllocation,
    /// At least so many times the calls of one thread, by two.
    TwoThreads(f64),
    /// A future of at most so many bytes.
    Bytes(usize),
    /// At least so many times the requests per second of a gateway without layers, in the same run.
    Throughput(f64),
}

/// Whether a goal is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// By this figure.
    Met(f64),
    /// By this figure it is not.
    Missed(f64),
    /// By this figure it can not be told: two threads had no core each, for without any layer they did no better.
    Undecided(f64),
    /// What it asks about was not measured in this run.
    Unknown,
}

/// The row that shows what two threads can do on this machine at this time, and the least that they must be able to
/// for a goal to be told.
pub const NO_LAYER: &str = "no layer, shared";
const TWO_CORES: f64 = 1.9;

const STACK: &str = "five stacked (tower three, seatbelt four)";

/// All of them.
pub const GOALS: [Goal; 15] = [
    Goal { row: "timeout", asks: Asks::Times(0.6, Who::Tower) },
    Goal { row: "retry, with a budget", asks: Asks::Times(1.2, Who::Tower) },
    Goal { row: "retry, without", asks: Asks::Times(1.2, Who::Tower) },
    Goal { row: "breaker, closed", asks: Asks::Times(0.25, Who::Seatbelt) },
    Goal { row: "breaker, closed", asks: Asks::Times(1.0, Who::Recloser) },
    Goal { row: "breaker, open", asks: Asks::Times(0.5, Who::TowerResilience) },
    Goal { row: "bulkhead, with room", asks: Asks::Times(0.7, Who::Tower) },
    Goal { row: STACK, asks: Asks::Nanos(100.0) },
    Goal { row: STACK, asks: Asks::NoAllocation },
    Goal { row: STACK, asks: Asks::Times(0.1, Who::TowerResilience) },
    // Cheaper than tower's three: at the last digit shown.
    Goal { row: STACK, asks: Asks::Times(0.99, Who::Tower) },
    Goal { row: "breaker, shared", asks: Asks::TwoThreads(1.8) },
    Goal { row: "bulkhead, shared", asks: Asks::TwoThreads(1.8) },
    Goal { row: "future of five stacked", asks: Asks::Bytes(512) },
    Goal { row: end_to_end::ROW, asks: Asks::Throughput(0.97) },
];

impl Goal {
    /// Those of this row.
    pub fn of(row: &str) -> impl Iterator<Item = Self> {
        GOALS.into_iter().filter(move |goal| goal.row == row)
    }

    fn asks_for_two_cores(&self) -> bool {
        matches!(self.asks, Asks::TwoThreads(_))
    }

    /// Whether it is met.
    pub fn verdict(&self, results: &Results) -> Verdict {
        let of = |who| results.get(self.row, who).copied().unwrap_or_default();
        let ours: Figures = of(Who::Buttress);
        let (figure, met) = match self.asks {
            Asks::Nanos(most) => (ours.nanos, at_most(most)),
            Asks::Times(most, who) => (ratio(ours.nanos, of(who).nanos), at_most(most)),
            Asks::NoAllocation => (ours.allocations.map(|all| all.count), at_most(0.0)),
            Asks::TwoThreads(least) => (ours.two_threads, at_least(least)),
            Asks::Bytes(most) => (ours.future.map(|bytes| bytes as f64), at_most(most as f64)),
            Asks::Throughput(least) => (ours.throughput, at_least(least)),
        };
        match figure {
            None => Verdict::Unknown,
            Some(figure) if met(figure) => Verdict::Met(figure),
            Some(figure) if self.asks_for_two_cores() && !had_two_cores(results) => {
                Verdict::Undecided(figure)
            }
            Some(figure) => Verdict::Missed(figure),
        }
    }
}

fn had_two_cores(results: &Results) -> bool {
    let bare = results.get(NO_LAYER, Who::Bare).and_then(|bare| bare.two_threads);
    bare.is_some_and(|times| times >= TWO_CORES)
}

fn at_most(most: f64) -> Box<dyn Fn(f64) -> bool> {
    Box::new(move |figure| figure <= most)
}

fn at_least(least: f64) -> Box<dyn Fn(f64) -> bool> {
    Box::new(move |figure| figure >= least)
}

/// How many times the other this one is.
pub(crate) fn ratio(this: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(this? / other?)
}

impl std::fmt::Display for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nanos(most) => write!(f, "≤ {most} ns"),
            Self::Times(most, who) => write!(f, "≤ {most} of {}", who.name()),
            Self::NoAllocation => f.write_str("no allocation"),
            Self::TwoThreads(least) => write!(f, "2 threads ≥ {least} of 1"),
            Self::Bytes(most) => write!(f, "≤ {most} B"),
            Self::Throughput(least) => write!(f, "≥ {least} of bare"),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Met(figure) => write!(f, "met: {}", short(*figure)),
            Self::Missed(figure) => write!(f, "MISSED: {}", short(*figure)),
            Self::Undecided(figure) => write!(f, "undecided, no second core: {}", short(*figure)),
            Self::Unknown => f.write_str("not measured"),
        }
    }
}

/// With as many digits as a figure of this kind is good for.
pub(crate) fn short(figure: f64) -> String {
    if figure >= 100.0 || figure.fract() == 0.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Allocations;

    fn verdict(asks: Asks, ours: Figures, tower: Figures) -> Verdict {
        let mut results = Results::default();
        *results.entry("row", Who::Buttress) = ours;
        *results.entry("row", Who::Tower) = tower;
        Goal { row: "row", asks }.verdict(&results)
    }

    #[test]
    fn a_ratio_is_met_up_to_its_bound_and_not_above() {
        let asks = Asks::Times(0.5, Who::Tower);
        let nanos = |nanos| Figures { nanos: Some(nanos), ..Figures::default() };
        assert_eq!(verdict(asks, nanos(5.0), nanos(10.0)), Verdict::Met(0.5));
        assert_eq!(verdict(asks, nanos(6.0), nanos(10.0)), Verdict::Missed(0.6));
        assert_eq!(verdict(asks, nanos(5.0), Figures::default()), Verdict::Unknown);
        assert_eq!(verdict(asks, Figures::default(), nanos(5.0)), Verdict::Unknown);
    }

    #[test]
    fn each_of_the_others_looks_at_its_own_figure() {
        let ours = Figures {
            nanos: Some(99.0),
            allocations: Some(Allocations { count: 1.0, bytes: 8.0 }),
            future: Some(512),
            two_threads: Some(1.7),
            throughput: Some(0.96),
        };
        let verdict = |asks| verdict(asks, ours, Figures::default());
        assert_eq!(verdict(Asks::Nanos(100.0)), Verdict::Met(99.0));
        assert_eq!(verdict(Asks::NoAllocation), Verdict::Missed(1.0));
        assert_eq!(verdict(Asks::Bytes(512)), Verdict::Met(512.0));
        assert_eq!(verdict(Asks::Bytes(511)), Verdict::Missed(512.0));
        assert_eq!(verdict(Asks::TwoThreads(1.8)), Verdict::Undecided(1.7));
        assert_eq!(verdict(Asks::TwoThreads(1.7)), Verdict::Met(1.7));
        assert_eq!(verdict(Asks::Throughput(0.96)), Verdict::Met(0.96));
        assert_eq!(verdict(Asks::Throughput(0.97)), Verdict::Missed(0.96));
    }

    #[test]
    fn two_threads_are_judged_where_they_have_a_core_each() {
        let verdict = |bare, ours| {
            let mut results = Results::default();
            results.entry(NO_LAYER, Who::Bare).two_threads = Some(bare);
            results.entry("row", Who::Buttress).two_threads = Some(ours);
            Goal { row: "row", asks: Asks::TwoThreads(1.8) }.verdict(&results)
        };
        assert_eq!(verdict(1.95, 1.7), Verdict::Missed(1.7));
        assert_eq!(verdict(1.5, 1.2), Verdict::Undecided(1.2));
        assert_eq!(verdict(1.5, 1.8), Verdict::Met(1.8));
    }
}
