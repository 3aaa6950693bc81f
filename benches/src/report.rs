//! `RESULTS.md`: the table, and all that is needed to read it.

use crate::{
    end_to_end::EndToEnd,
    environment::Environment,
    goals::{GOALS, Verdict},
    results::Results,
    table::table,
};

/// The whole page. `scale` are the tables of how costs grow, `misses` what was written by hand about goals that
/// are missed.
pub fn report(
    environment: &Environment,
    results: &Results,
    end_to_end: &EndToEnd,
    scale: &str,
    misses: &str,
) -> String {
    let Environment { date, processor, cores, load: (before, after), rustc, crates } = environment;
    let crates: Vec<_> = crates.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let unmet: Vec<_> = GOALS
        .into_iter()
        .map(|goal| (goal, goal.verdict(results)))
        .filter(|(_, verdict)| !matches!(verdict, Verdict::Met(_)))
        .map(|(goal, verdict)| format!("- {}: {} ({verdict})", goal.row, goal.asks))
        .collect();
    let unmet = if unmet.is_empty() { "None.".to_owned() } else { unmet.join("\n") };
    format!(
        "\
# What a call costs

Written by `cargo bench -p buttress-benches --features peers`; what is changed here by hand is lost. What is to be
said about goals that are missed stands in `MISSES.md`, and is copied from there.

- {date}
- {processor}, {cores} threads; {before} wanted to run when it began, {after} when it was over: above 1 another
  program disturbed it
- {rustc}
- {}

A cell is the time of one call, in the best of many short batches; in brackets ours as a part of it; how often the
call allocates, and how many bytes. Only ratios mean something elsewhere. \"2 threads 1.9\" is how many times the
calls of one thread two of them make on one shared layer. \"future of\" is `size_of` over an inner future of eight
bytes; a boxed future is small there, and its rest is among the bytes of the call. What makes the peers equal is
said in `src/peers/`.

{}
## Goals that are missed, or could not be told

{unmet}

{misses}
## End to end

{end_to_end}
## How costs grow

{scale}",
        crates.join(", "),
        table(results),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Who;

    #[test]
    fn a_report_names_where_it_was_measured_and_what_was_missed() {
        let environment = Environment {
            date: "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
            processor: "Fast 9000".to_owned(),
            cores: 2,
            load: ("1.00".to_owned(), "2.50".to_owned()),
            rustc: "rustc 1.95.0".to_owned(),
            crates: vec![("tower".to_owned(), "0.5.3".to_owned())],
        };
        let mut results = Results::default();
        results.entry("timeout", Who::Buttress).nanos = Some(7.0);
        results.entry("timeout", Who::Tower).nanos = Some(10.0);
        results.entry("bulkhead, with room", Who::Buttress).nanos = Some(7.0);
        results.entry("bulkhead, with room", Who::Tower).nanos = Some(10.0);
        let skipped = EndToEnd::Skipped("there is no wrk".to_owned());
        let report = report(&environment, &results, &skipped, "the growth\n", "### Why\n");
        for said in [
            "- Sun, 06 Nov 1994",
            "Fast 9000, 2 threads; 1.00 wanted to run when it began, 2.50 when it was over",
            "- tower 0.5.3\n",
            &table(&results),
            "- timeout: ≤ 0.6 of tower (MISSED: 0.70)\n",
            "- breaker, open: ≤ 0.5 of tower-resilience (not measured)\n",
            "### Why\n",
            "- gateway, closed loop: ≥ 0.97 of bare (not measured)\n",
            "## End to end\n\nSkipped: there is no wrk.\n",
            "## How costs grow\n\nthe growth\n",
        ] {
            assert!(report.contains(said), "{said:?} in:\n{report}");
        }
        assert!(!report.contains("- bulkhead, with room"), "what is met is in the table only");
    }
}
