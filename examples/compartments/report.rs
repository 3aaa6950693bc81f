//! What the runs show, as tables for people.

use std::fmt::Write;

use crate::{
    dependency::Dependency,
    experiment::Compared,
    on_runtime::Beside,
    percent::percent,
    promise::{GOAL, Promise},
    stack::SetUp,
};

/// The calls while payment hangs, and beside them the same calls when it does not.
pub(crate) fn compartments(compared: impl Fn(SetUp, Dependency) -> Compared) -> String {
    let mut table = format!(
        "{:<28}  {:^23}  {:^48}\n{:<12} {:<9} {:>5}  {:>7} {:>7} {:>7}  {:>7} {:>5} {:>7} {:>6} {:>7} \
         {:>7} {:>5}\n",
        "",
        "without the hang",
        "payment hangs",
        "",
        "",
        "calls",
        "served",
        "p50",
        "p99",
        "served",
        "full",
        "timeout",
        "failed",
        "p50",
        "p99",
        "ratio"
    );
    for set_up in SetUp::ALL {
        for dependency in Dependency::ALL {
            let Compared { calm, hung, p99_ratio } = compared(set_up, dependency);
            let ratio = match dependency {
                Dependency::Payment => "-".into(),
                Dependency::Inventory | Dependency::Email => format!("{p99_ratio:.2}"),
            };
            writeln!(
                table,
                "{:<12} {:<9} {:>5}  {:>7} {:>7.1} {:>7.1}  {:>7} {:>5} {:>7} {:>6} {:>7.1} {:>7.1} \
                 {ratio:>5}",
                set_up.name(),
                dependency.name(),
                hung.calls,
                percent(calm.part_served()),
                calm.p50_ms,
                calm.p99_ms,
                percent(hung.part_served()),
                hung.full,
                hung.queue_timeout,
                hung.failed,
                hung.p50_ms,
                hung.p99_ms,
            )
            .expect("a string takes it");
        }
    }
    table += "\np50, p99: milliseconds until the caller knew, served or not, the medians of the \
              rounds\nfull: refused at once; timeout: refused after a second in the queue; failed: \
              no answer in five\nseconds, or until the end; ratio: p99 with the hang to without, the \
              median of the rounds\n";
    table
}

/// What became of the goal for the 99th percentiles of the neighbours.
pub(crate) fn goal(compared: impl Fn(SetUp, Dependency) -> Compared) -> String {
    let ratios = Dependency::NEIGHBOURS.map(|neighbour| {
        let ratio = compared(SetUp::Compartments, neighbour).p99_ratio;
        format!("{} {:+.1} %", neighbour.name(), (ratio - 1.0) * 100.0)
    });
    format!(
        "99th percentile of the neighbours in compartments: {}; on a quiet machine within {:.0} %\n",
        ratios.join(", "),
        (GOAL - 1.0) * 100.0
    )
}

/// The light calls beside reports that compute.
pub(crate) fn on_runtime(beside: &[Beside]) -> String {
    let mut table = format!("{:<26} {:>7} {:>7}\n", "light calls", "p50", "p99");
    for Beside { reports, p50_ms, p99_ms } in beside {
        writeln!(table, "{:<26} {p50_ms:>7.1} {p99_ms:>7.1}", reports.name())
            .expect("a string takes it");
    }
    table
}

/// A line for each promise.
pub(crate) fn promises(promises: &[Promise]) -> String {
    promises.iter().fold(String::new(), |lines, promise| lines + &promise.to_string() + "\n")
}
