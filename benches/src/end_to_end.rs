//! What the gateway of the examples found out about itself, as it tells it in JSON.

use std::fmt;

use serde::Deserialize;

use crate::{
    results::{Results, Who},
    table::aligned,
};

/// The row of what the layers leave of the gateway's throughput.
pub const ROW: &str = "gateway, closed loop";

/// All of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndToEnd {
    /// The figures.
    Measured(Measured),
    /// Why there are none.
    Skipped(String),
}

/// The figures of all gateways.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Measured {
    rounds: u32,
    round_seconds: u32,
    connections: u32,
    rate: f64,
    late: Late,
    gateways: Vec<Gateway>,
}

/// How late the generator was itself, where it did not wait for answers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Late {
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Gateway {
    name: String,
    closed: Load,
    open: Load,
    closed_to_bare: Load,
    open_to_bare: Load,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Load {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    cpu_us_per_request: Option<f64>,
}

impl EndToEnd {
    /// What the gateway printed.
    pub fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Adds a row of the throughput of those that have a column.
    pub fn add_to(&self, results: &mut Results) {
        let Self::Measured(Measured { gateways, .. }) = self else { return };
        for Gateway { name, closed_to_bare, .. } in gateways {
            if let Some(who) = Who::named(name).filter(|who| *who != Who::Bare) {
                results.entry(ROW, who).throughput = Some(closed_to_bare.per_second);
            }
        }
    }
}

impl fmt::Display for EndToEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { rounds, round_seconds, connections, rate, late, gateways } = match self {
            Self::Measured(measured) => measured,
            Self::Skipped(why) => return writeln!(f, "Skipped: {why}."),
        };
        writeln!(
            f,
            "`examples/gateway` with each stack around the same proxy, over real sockets, {connections} connections: \
             the medians of\n{rounds} rounds of {round_seconds} s; in brackets in times of the gateway without a \
             stack, the median of the ratios within a\nround. All answers are 200, and as many as the requests \
             that the upstream counted, but for those under way at\nthe end. The load of the second table comes \
             whatever becomes of it; it was late itself by {:.2} ms (p50) and {:.2} ms\n(p99), which is in its \
             times.\n",
            late.p50_ms, late.p99_ms
        )?;
        f.write_str(&table("asked again when it has answered", gateways, |of| {
            (of.closed, of.closed_to_bare)
        }))?;
        let open = format!("{rate:.0} requests/s, from when they were due");
        writeln!(f)?;
        f.write_str(&table(&open, gateways, |of| (of.open, of.open_to_bare)))
    }
}

fn table(load: &str, gateways: &[Gateway], figures: fn(&Gateway) -> (Load, Load)) -> String {
    let heading = [load, "requests/s", "p50", "p99", "p99.9", "CPU per request"];
    let mut lines = vec![heading.map(String::from).to_vec()];
    for gateway in gateways {
        let (load, to_bare) = figures(gateway);
        let ms =
            |figure: fn(&Load) -> f64| format!("{:.2} ms ({:.2})", figure(&load), figure(&to_bare));
        let cpu = load.cpu_us_per_request.zip(to_bare.cpu_us_per_request);
        lines.push(vec![
            gateway.name.clone(),
            format!("{:.0} ({:.2})", load.per_second, to_bare.per_second),
            ms(|of| of.p50_ms),
            ms(|of| of.p99_ms),
            ms(|of| of.p999_ms),
            cpu.map_or_else(String::new, |(us, times)| format!("{us:.1} µs ({times:.2})")),
        ]);
    }
    aligned(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the gateway prints it, but for the line breaks.
    fn json() -> String {
        let load = |per_second| {
            format!(
                r#"{{"per_second": {per_second}, "p50_ms": 1.0, "p99_ms": 2.5, "p999_ms": 10.0,
                "cpu_us_per_request": 25.0}}"#
            )
        };
        let gateway = |name, per_second: f64| {
            let (load, ratio) = (load(per_second * 1000.0), load(per_second));
            format!(
                r#"{{"name": "{name}", "closed": {load}, "open": {load}, "closed_to_bare": {ratio},
                "open_to_bare": {ratio}}}"#
            )
        };
        let gateways = ["bare", "buttress", "nginx"].into_iter().zip([1.0, 0.975, 1.25]);
        let gateways: Vec<_> = gateways.map(|(name, part)| gateway(name, part)).collect();
        format!(
            r#"{{"measured": {{"rounds": 9, "round_seconds": 2, "connections": 32, "rate": 500.4,
            "late": {{"p50_ms": 0.1, "p99_ms": 0.25, "p999_ms": 1.0}},
            "gateways": [{}]}}}}"#,
            gateways.join(",")
        )
    }

    #[test]
    fn the_throughput_of_those_with_a_column_is_theirs() {
        let mut results = Results::default();
        EndToEnd::read(&json()).unwrap().add_to(&mut results);
        let throughput = |who| results.get(ROW, who).and_then(|figures| figures.throughput);
        assert_eq!(throughput(Who::Buttress), Some(0.975));
        assert_eq!(results.rows[0].of.len(), 1, "the bare one is what it is compared with");
    }

    #[test]
    fn there_is_a_table_for_each_load() {
        let text = EndToEnd::read(&json()).unwrap().to_string();
        let line = "| buttress                         | 975 (0.97)  | 1.00 ms (1.00) |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| 500 requests/s, from when they were due |"), "{text}");
        assert!(text.contains("late itself by 0.10 ms (p50) and 0.25 ms\n(p99)"), "{text}");
        assert_eq!(text.matches("| nginx").count(), 2, "{text}");
    }

    #[test]
    fn what_was_skipped_says_why_and_has_no_figures() {
        let skipped = EndToEnd::read(r#"{"skipped": "there is no wrk"}"#).unwrap();
        assert_eq!(skipped.to_string(), "Skipped: there is no wrk.\n");
        let mut results = Results::default();
        skipped.add_to(&mut results);
        assert_eq!(results, Results::default());
        EndToEnd::read("{}").unwrap_err();
    }
}
