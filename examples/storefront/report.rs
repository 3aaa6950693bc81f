//! What a run shows, as a table for people and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    faults::{Scenario, Script},
    figures::Figures,
    percent::percent,
};

/// Everything that one run shows.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) rps: f64,
    /// The pages that were asked of each gateway.
    pub(crate) requests: usize,
    pub(crate) faults: Vec<FaultFigures>,
    /// The part of the pages due while pricing failed whose product was looked at before.
    pub(crate) looked_at_before: f64,
    /// Whether the faults end before the run does.
    pub(crate) recovers: bool,
    pub(crate) bare: Figures,
    pub(crate) buttressed: Figures,
}

/// A fault as it was planned.
#[derive(Debug, Serialize)]
pub(crate) struct FaultFigures {
    upstream: &'static str,
    fault: String,
    from_s: f64,
    /// None if it does not end before the run does.
    to_s: Option<f64>,
}

impl Report {
    pub(crate) fn faults_of(script: &Script) -> Vec<FaultFigures> {
        let faults = script.windows.iter().map(|window| FaultFigures {
            upstream: window.upstream.name(),
            fault: window.fault.clone(),
            from_s: window.from.as_secs_f64(),
            to_s: window.to.map(|to| to.as_secs_f64()),
        });
        faults.collect()
    }

    /// One JSON object, for programs.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// A table for people, bare beside buttressed.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, show: &dyn Fn(&Figures) -> String| {
            let (bare, buttressed) = (show(&self.bare), show(&self.buttressed));
            writeln!(table, "{name:<44} {bare:>12} {buttressed:>12}").expect("a string takes it");
        };
        let never = |after: Option<f64>| after.map_or("never".into(), |s| format!("{s:.2} s"));
        row("answered within 1 s", &|f| percent(f.answered_within_1s));
        row("full pages", &|f| f.full_pages.to_string());
        row("degraded pages", &|f| f.degraded_pages.to_string());
        row("errors", &|f| f.errors.to_string());
        row("latency, median", &|f| format!("{:.1} ms", f.latency_ms.p50));
        row("latency, 99th percentile", &|f| format!("{:.1} ms", f.latency_ms.p99));
        row("latency, longest", &|f| format!("{:.1} ms", f.latency_ms.max));
        row("calls sent upstream per call wanted, faults", &|f| format!("{:.2}", f.amplification));
        for (n, first) in self.bare.first_fast_failures.iter().enumerate() {
            let upstream = first.upstream;
            let fault = self.faults.iter().find(|fault| fault.upstream == upstream);
            let fault = fault.map_or("", |fault| &fault.fault);
            let name = format!("fast failure, {upstream}: {fault}");
            row(&name, &|f| never(f.first_fast_failures[n].after_s));
        }
        if self.recovers {
            row("full pages again after recovery", &|f| never(f.full_pages_again_s));
        }
        row("pages with a price", &|f| f.priced.pages.to_string());
        if self.bare.priced.while_pricing_failed.is_some() {
            let priced = |f: &Figures| f.priced.while_pricing_failed.map(percent);
            row("pages with a price while pricing fails", &|f| priced(f).unwrap_or_default());
        }
        table.push_str("\nwho served the parts of the buttressed pages\n");
        for (upstream, served) in self.buttressed.parts.each() {
            writeln!(table, "{upstream:<17} {served}").expect("a string takes it");
        }
        let title = format!(
            "{} pages of each gateway in {} s, seed {}",
            self.requests, self.seconds, self.seed
        );
        format!("{title:<44} {:>12} {:>12}\n{table}", "bare", "buttressed")
    }
}
