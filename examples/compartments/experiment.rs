//! The runs that are compared.

use std::time::Duration;

use buttress::prelude::BoxError;

use crate::{
    dependency::Dependency,
    load::{self, drive, schedule},
    measure::{Call, Figures, median},
    stack::SetUp,
};

/// A run: what was set up, whether payment hung, and all calls.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) set_up: SetUp,
    pub(crate) hangs: bool,
    pub(crate) calls: Vec<Call>,
}

/// Both set-ups without the hang and with it, that many times in turn: what else the machine does,
/// now more and now less, is then in all of them. All runs of a round have the same arrivals.
pub(crate) async fn rounds(seed: u64, rounds: u64, run: Duration) -> Result<Vec<Run>, BoxError> {
    let mut runs = Vec::new();
    for round in 0..rounds {
        let schedule = schedule(seed.wrapping_add(round), run);
        // Not always the same one first.
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        for set_up in SetUp::ALL {
            for hangs in order {
                let calls = drive(set_up, hangs, &schedule, run).await?;
                runs.push(Run { set_up, hangs, calls });
            }
        }
        eprintln!("round {} of {rounds} is over", round + 1);
    }
    Ok(runs)
}

/// The calls of one set-up to one dependency while payment hangs, and the same calls without that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared {
    pub(crate) calm: Figures,
    pub(crate) hung: Figures,
    /// How many times the 99th percentile without the hang the one with it is: the median of the
    /// rounds.
    pub(crate) p99_ratio: f64,
}

impl Compared {
    /// Of runs that took this long.
    pub(crate) fn of(runs: &[Run], set_up: SetUp, dependency: Dependency, run: Duration) -> Self {
        let window = load::hang(run);
        let rounds = |hangs| -> Vec<Figures> {
            let runs = runs.iter().filter(|run| run.set_up == set_up && run.hangs == hangs);
            runs.map(|run| {
                let calls = run.calls.iter().filter(|call| call.dependency == dependency);
                Figures::of(calls.filter(|call| window.contains(&call.at)))
            })
            .collect()
        };
        let (calm, hung) = (rounds(false), rounds(true));
        let ratios = calm.iter().zip(&hung).map(|(calm, hung)| hung.p99_ms / calm.p99_ms);
        Self {
            calm: Figures::of_rounds(&calm),
            hung: Figures::of_rounds(&hung),
            p99_ratio: median(ratios),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Outcome;

    #[test]
    fn a_round_is_compared_with_itself_and_only_where_it_hangs() {
        let run = |hangs, ms: u64| {
            let call = |at, dependency, ms| Call {
                at: Duration::from_secs(at),
                dependency,
                outcome: Outcome::Served,
                latency: Duration::from_millis(ms),
            };
            let calls = vec![
                call(1, Dependency::Email, 5000),
                call(4, Dependency::Email, ms),
                call(4, Dependency::Inventory, 7000),
            ];
            Run { set_up: SetUp::Compartments, hangs, calls }
        };
        // The machine was slower in the second round, and the third had bad luck.
        let runs = [
            run(false, 20),
            run(true, 22),
            run(true, 88),
            run(false, 80),
            run(false, 20),
            run(true, 200),
        ];
        let of = |set_up| Compared::of(&runs, set_up, Dependency::Email, Duration::from_secs(6));
        let compared = of(SetUp::Compartments);
        assert!((compared.p99_ratio - 1.1).abs() < 0.01, "{compared:?}");
        assert_eq!((compared.calm.calls, compared.hung.calls), (3, 3), "from 2 s on");
        assert_eq!(of(SetUp::SharedPool).calm.calls, 0);
    }
}
