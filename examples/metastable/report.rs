//! What the runs show, as a table for people and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::{model::Model, promise::Promise, run::Run, timeline::Timeline};

/// Everything that the runs show.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seeds: u64,
    pub(crate) rows: Vec<Row>,
}

/// The runs of one defence, one for each seed.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) defence: &'static str,
    /// When it recovers, in the words of what was seen when others rebuilt the experiment.
    reference: Option<&'static str>,
    /// When it must recover.
    pub(crate) promise: Option<String>,
    pub(crate) kept: bool,
    runs: Vec<Figures>,
}

/// The figures of one run.
#[derive(Debug, Serialize)]
struct Figures {
    seed: u64,
    /// From the end of the outage, in seconds; none if it never did.
    recovered_after_s: Option<usize>,
    /// In the last minute.
    sent_per_s: f64,
    /// In the last minute.
    answered_per_s: f64,
    /// The part of all calls of the run.
    answered: f64,
}

impl Report {
    /// Of these runs, the ones of a defence side by side.
    pub(crate) fn of(runs: &[(Run, Timeline)], model: &Model, seeds: u64) -> Self {
        let same = |(one, _): &(Run, _), (next, _): &(Run, _)| one.defence == next.defence;
        Self { seeds, rows: runs.chunk_by(same).map(|runs| Row::of(runs, model)).collect() }
    }

    /// One JSON object, for programs.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// A table for people, a row for each defence.
    pub(crate) fn table(&self, model: &Model) -> String {
        let Model { per_second, run, outage, .. } = model;
        let (run, from, to) = (run.as_secs(), outage.start.as_secs(), outage.end.as_secs());
        let seeds =
            if self.seeds == 1 { "seed 1".into() } else { format!("seeds 1 to {}", self.seeds) };
        let mut table = format!(
            "{per_second} calls a second for {run} s, an outage from {from} to {to} s; {seeds}\n\n\
             {:<20} {:>11} {:>11} {:>14} {:>8} {:>11} {:>9}\n",
            "", "recovers in", "reference", "must", "sent/s", "answered/s", "of all"
        );
        for row in &self.rows {
            writeln!(
                table,
                "{:<20} {:>11} {:>11} {:>14} {:>8.1} {:>11.1} {:>7.1} %",
                row.defence,
                row.recovered(),
                row.reference.unwrap_or("-"),
                row.promise.as_deref().unwrap_or("-"),
                row.mean(|run| run.sent_per_s),
                row.mean(|run| run.answered_per_s),
                row.mean(|run| run.answered) * 100.0,
            )
            .expect("a string takes it");
        }
        table += "\nrecovers: from the end of the outage until 99 % are answered for 10 s in a row, \
                  over all seeds\nsent, answered: at the end of the run; of all: the part of all \
                  calls that was answered\n";
        table
    }
}

impl Row {
    fn of(runs: &[(Run, Timeline)], model: &Model) -> Self {
        let defence = runs[0].0.defence;
        let promise = Promise::of(defence);
        let runs: Vec<_> =
            runs.iter().map(|(run, timeline)| Figures::of(*run, timeline, model)).collect();
        let recovered: Vec<_> = runs.iter().map(|run| run.recovered_after_s).collect();
        Self {
            defence: defence.name(),
            reference: defence.reference(),
            promise: promise.map(|promise| promise.to_string()),
            kept: promise.is_none_or(|promise| promise.is_kept(&recovered)),
            runs,
        }
    }

    /// When the first run recovered, and when the last.
    fn recovered(&self) -> String {
        let runs = || self.runs.iter().map(|run| run.recovered_after_s.unwrap_or(usize::MAX));
        match (runs().min(), runs().max()) {
            (None | Some(usize::MAX), _) | (_, None) => "never".into(),
            (Some(first), Some(usize::MAX)) => format!("{first} s-never"),
            (Some(first), Some(last)) if first == last => format!("{first} s"),
            (Some(first), Some(last)) => format!("{first}-{last} s"),
        }
    }

    fn mean(&self, figure: fn(&Figures) -> f64) -> f64 {
        self.runs.iter().map(figure).sum::<f64>() / self.runs.len() as f64
    }
}

impl Figures {
    fn of(run: Run, timeline: &Timeline, model: &Model) -> Self {
        Self {
            seed: run.seed,
            recovered_after_s: timeline.recovered_after(model.outage.end),
            sent_per_s: timeline.sent_at_the_end(),
            answered_per_s: timeline.answered_at_the_end(),
            answered: timeline.answered(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovered(after: &[Option<usize>]) -> String {
        let run = |&recovered_after_s| Figures {
            seed: 1,
            recovered_after_s,
            sent_per_s: 0.0,
            answered_per_s: 0.0,
            answered: 0.0,
        };
        let runs = after.iter().map(run).collect();
        Row { defence: "", reference: None, promise: None, kept: true, runs }.recovered()
    }

    #[test]
    fn a_run_that_never_recovers_is_not_hidden_by_those_that_do() {
        assert_eq!(recovered(&[Some(120), Some(3), Some(7)]), "3-120 s");
        assert_eq!(recovered(&[Some(3), Some(3)]), "3 s");
        assert_eq!(recovered(&[Some(3), None]), "3 s-never");
        assert_eq!(recovered(&[None, None]), "never");
    }
}
