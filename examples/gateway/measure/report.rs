//! What was measured, as a table for people.

use std::fmt::Write;

use super::{Turn, Who, median::median};
use crate::args::Measuring;

/// What of the throughput without layers there must be with them.
const THROUGHPUT: f64 = 0.95;
/// How many times as long the 99th percentile may be with them.
const P99: f64 = 1.1;

pub(super) fn table(measured: &[(Who, Vec<Turn>)], measuring: &Measuring) -> String {
    let Measuring { rounds, round_seconds, connections } = measuring;
    let mut table =
        format!("{:<18} {:>10} {:>9} {:>15}\n", "", "requests/s", "p99", "CPU per request");
    for (who, turns) in measured {
        writeln!(
            table,
            "{:<18} {:>10.0} {:>6.2} ms {:>12.1} µs",
            who.name(),
            median(turns.iter().map(|turn| turn.per_second)),
            median(turns.iter().map(|turn| turn.p99_ms)),
            median(turns.iter().filter_map(|turn| turn.cpu_us_per_request)),
        )
        .expect("a string takes it");
    }
    let of = |who| measured.iter().find(|(of, _)| *of == who).map_or(&[][..], |(_, turns)| turns);
    let ratio = |figure: fn(&Turn) -> Option<f64>| {
        let rounds = of(Who::Stack).iter().zip(of(Who::Bare));
        median(rounds.filter_map(|(stack, bare)| Some(figure(stack)? / figure(bare)?)))
    };
    let throughput = ratio(|turn| Some(turn.per_second));
    let p99 = ratio(|turn| Some(turn.p99_ms));
    let kept = |is: bool| if is { "kept" } else { "missed" };
    write!(
        table,
        "\nstack to bare, the median of the ratios of {rounds} rounds of {round_seconds} s with {connections} \
         connections:\n\
         requests/s       {throughput:.3}   the goal of at least {THROUGHPUT:.2} is {}\n\
         p99              {p99:.3}   the goal of at most {P99:.2} is {}\n\
         CPU per request  {:.3}\n",
        kept(throughput >= THROUGHPUT),
        kept(p99 <= P99),
        ratio(|turn| turn.cpu_us_per_request),
    )
    .expect("a string takes it");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(per_second: f64) -> Turn {
        Turn { per_second, p99_ms: 1000.0 / per_second, cpu_us_per_request: None }
    }

    #[test]
    fn a_round_is_compared_with_itself() {
        // The second round was on a machine that was busy.
        let bare = vec![turn(1000.0), turn(100.0), turn(1000.0)];
        let stack = vec![turn(960.0), turn(96.0), turn(800.0)];
        let measured = [(Who::Bare, bare), (Who::Stack, stack)];
        let measuring = Measuring { rounds: 3, round_seconds: 2, connections: 32 };
        let table = table(&measured, &measuring);
        assert!(table.contains("0.960   the goal of at least 0.95 is kept"), "{table}");
        assert!(table.contains("1.042   the goal of at most 1.10 is kept"), "{table}");
    }
}
