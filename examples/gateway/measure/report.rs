//! What was measured, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::{
    Turn,
    load::{Latency, Load},
};
use crate::args::Measuring;

/// What of the throughput without layers there must be with them.
const THROUGHPUT: f64 = 0.97;
/// How many times as long the 99th percentile may be with them.
const P99: f64 = 1.1;

/// What comes of measuring. Displayed, it is a table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    Measured(Measured),
    /// For this reason.
    Skipped(String),
}

/// The figures of all.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    rounds: u32,
    round_seconds: u32,
    connections: u32,
    /// Requests per second of the open loop.
    rate: f64,
    /// How late its generator was, over all gateways.
    late: Latency,
    gateways: Vec<Figures>,
}

/// Of one gateway, each the median of the rounds.
#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    closed: Load,
    open: Load,
    /// In times of what the bare gateway did in the same round.
    closed_to_bare: Load,
    open_to_bare: Load,
}

impl Measured {
    /// The first is the bare one.
    pub(super) fn new(
        measuring: &Measuring,
        rate: f64,
        measured: &[(&'static str, Vec<Turn>)],
    ) -> Self {
        let &Measuring { rounds, round_seconds, connections, .. } = measuring;
        let bare = measured.first().map_or(&[][..], |(_, turns)| turns);
        let figures = |(name, turns): &(&'static str, Vec<Turn>)| {
            let median = |load: fn(&Turn) -> Load| {
                let to_bare = turns.iter().zip(bare);
                let to_bare: Vec<_> = to_bare.map(|(of, bare)| load(of).to(&load(bare))).collect();
                let loads: Vec<_> = turns.iter().map(load).collect();
                (Load::median(&loads), Load::median(&to_bare))
            };
            let (closed, closed_to_bare) = median(|turn| turn.closed);
            let (open, open_to_bare) = median(|turn| turn.open);
            Figures { name, closed, open, closed_to_bare, open_to_bare }
        };
        let gateways = measured.iter().map(figures).collect();
        let all = measured.iter().flat_map(|(_, turns)| turns);
        let late = Latency::median(&all.map(|turn| turn.late).collect::<Vec<_>>());
        Self { rounds, round_seconds, connections, rate, late, gateways }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(measured) => measured.fmt(f),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, round_seconds, connections, rate, late, gateways } = self;
        writeln!(
            f,
            "{rounds} rounds of {round_seconds} s for each load, {connections} connections"
        )?;
        writeln!(f, "\nclosed loop: asked again when it has answered")?;
        loads(f, gateways, |of| (of.closed, of.closed_to_bare))?;
        writeln!(
            f,
            "\nopen loop: {rate:.0} requests/s, counted from when they were due; it was late itself by {:.2} ms \
             (p50), {:.2} ms (p99)",
            late.p50_ms, late.p99_ms
        )?;
        loads(f, gateways, |of| (of.open, of.open_to_bare))?;
        writeln!(f, "\nin brackets in times of bare: the median of the ratios within a round")?;
        let Some(Figures { closed_to_bare, .. }) = gateways.iter().find(|of| of.name == "buttress")
        else {
            return Ok(());
        };
        let kept = |is: bool| if is { "kept" } else { "missed" };
        let (throughput, p99) = (closed_to_bare.per_second, closed_to_bare.latency.p99_ms);
        writeln!(
            f,
            "\nbuttress to bare, closed loop:\n\
             requests/s  {throughput:.3}   the goal of at least {THROUGHPUT:.2} is {}\n\
             p99         {p99:.3}   the goal of at most {P99:.2} is {}",
            kept(throughput >= THROUGHPUT),
            kept(p99 <= P99),
        )
    }
}

fn loads(
    f: &mut fmt::Formatter<'_>,
    gateways: &[Figures],
    load: fn(&Figures) -> (Load, Load),
) -> fmt::Result {
    let columns = ["", "requests/s", "p50", "p99", "p99.9", "CPU per request"];
    let [name, columns @ ..] = columns;
    write!(f, "{name:<16}")?;
    for column in columns {
        write!(f, " {column:>17}")?;
    }
    writeln!(f)?;
    for of in gateways {
        let (load, to_bare) = load(of);
        write!(f, "{:<16}", of.name)?;
        let ms = |ms: f64| format!("{ms:.2} ms");
        let mut cells = vec![
            (format!("{:.0}", load.per_second), to_bare.per_second),
            (ms(load.latency.p50_ms), to_bare.latency.p50_ms),
            (ms(load.latency.p99_ms), to_bare.latency.p99_ms),
            (ms(load.latency.p999_ms), to_bare.latency.p999_ms),
        ];
        if let Some((us, to_bare)) = load.cpu_us_per_request.zip(to_bare.cpu_us_per_request) {
            cells.push((format!("{us:.1} µs"), to_bare));
        }
        for (figure, to_bare) in cells {
            write!(f, " {:>17}", format!("{figure} ({to_bare:.2})"))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(per_second: f64) -> Turn {
        let (p50_ms, p99_ms) = (100.0 / per_second, 1000.0 / per_second);
        let latency = Latency { p50_ms, p99_ms, p999_ms: 2.0 * p99_ms };
        let closed = Load { per_second, latency, cpu_us_per_request: None };
        let open = Load { per_second: 100.0, cpu_us_per_request: Some(3.0), ..closed };
        Turn { closed, open, late: Latency { p50_ms: 0.25, p99_ms: 0.5, p999_ms: 1.0 } }
    }

    #[test]
    fn a_round_is_compared_with_itself() {
        // The second round was on a machine that was busy.
        let bare = vec![turn(1000.0), turn(100.0), turn(1000.0)];
        let stack = vec![turn(980.0), turn(98.0), turn(800.0)];
        let measuring =
            Measuring { rounds: 3, round_seconds: 2, connections: 32, rate: None, json: false };
        let measured = Measured::new(&measuring, 100.0, &[("bare", bare), ("buttress", stack)]);
        let table = measured.to_string();
        assert!(table.contains("0.980   the goal of at least 0.97 is kept"), "{table}");
        assert!(table.contains("1.020   the goal of at most 1.10 is kept"), "{table}");
        assert!(table.contains("1000 (1.00)    0.10 ms (1.00)"), "{table}");
        assert!(table.contains("open loop: 100 requests/s"), "{table}");
        assert!(table.contains("late itself by 0.25 ms (p50), 0.50 ms (p99)\n"), "{table}");
        assert!(table.contains("3.0 µs (1.00)\n"), "{table}");
    }

    #[test]
    fn programs_get_the_same_figures() {
        let measuring =
            Measuring { rounds: 1, round_seconds: 2, connections: 32, rate: None, json: false };
        let measured = [("bare", vec![turn(1000.0)]), ("buttress", vec![turn(500.0)])];
        let report = Report::Measured(Measured::new(&measuring, 100.0, &measured));
        let json = serde_json::to_value(&report).unwrap();
        let ours = &json["measured"]["gateways"][1];
        assert_eq!(ours["name"], "buttress");
        assert_eq!(ours["closed"]["per_second"], 500.0);
        assert_eq!(ours["closed_to_bare"]["p999_ms"], 2.0);
        assert_eq!(ours["open"]["cpu_us_per_request"], 3.0);
        let skipped = serde_json::to_value(Report::Skipped("no wrk".into())).unwrap();
        assert_eq!(skipped["skipped"], "no wrk");
    }
}
