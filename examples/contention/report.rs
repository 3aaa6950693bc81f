//! What the experiment shows: a table for people, JSON for programs, and a picture.

use std::{fmt::Write, path::Path};

use buttress::prelude::BoxError;
use serde::Serialize;

use crate::{
    experiment::{Cell, Compared, cell},
    plot::{self, Line, Panel},
    wait::Wait,
};

/// Everything that the experiment shows.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    runs: u32,
    rows: Vec<Row>,
    least_work: Vec<LeastWork>,
}

/// One way to wait.
#[derive(Debug, Serialize)]
struct Row {
    jitter: &'static str,
    cells: Vec<Compared>,
}

/// The jitter of the fewest calls among so many clients.
#[derive(Debug, PartialEq, Serialize)]
struct LeastWork {
    clients: u32,
    jitter: &'static str,
    calls: f64,
}

impl Report {
    /// Makes so many runs of each kind.
    pub(crate) fn of(clients: &[u32], runs: u32, seed: u64) -> Self {
        let row = |wait: Wait| {
            let compared = |&n| Compared::new(n, wait, cell(n, wait, runs, seed));
            Row { jitter: wait.name(), cells: clients.iter().map(compared).collect() }
        };
        let rows: Vec<_> = Wait::ALL.into_iter().map(row).collect();
        let least_work = least_work(clients, &rows);
        Self { seed, runs, rows, least_work }
    }

    /// The cells that are not as published, for people.
    pub(crate) fn deviating(&self) -> Vec<String> {
        let cells = self.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
        cells
            .filter(|(_, cell)| !cell.agrees())
            .map(|(row, cell)| format!("{} with {} clients", row.jitter, cell.clients))
            .collect()
    }

    /// One JSON object, for programs.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// A table for people, what was measured beside what was published.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "one row, and clients that all want to write it; means of {} runs, seed {}\n\n\
             {:>7} {:<14} {:>7} {:>9} {:>8}   {:>9} {:>9} {:>8}\n",
            self.runs,
            self.seed,
            "clients",
            "jitter",
            "calls",
            "published",
            "off by",
            "done, ms",
            "published",
            "off by",
        );
        for (n, least) in self.least_work.iter().enumerate() {
            for row in &self.rows {
                let Compared { measured, published, deviation, .. } = row.cells[n];
                let figures = |of: fn(&Cell) -> f64| {
                    let published =
                        published.as_ref().map_or("-".into(), |cell| format!("{:.0}", of(cell)));
                    let off = deviation.as_ref().map_or(String::new(), |cell| percent(of(cell)));
                    format!("{:>9.0} {published:>9} {off:>8}", of(&measured))
                };
                writeln!(
                    table,
                    "{:>7} {:<12} {} {}",
                    least.clients,
                    row.jitter,
                    figures(|cell| cell.calls),
                    figures(|cell| cell.completion_ms),
                )
                .expect("a string takes it");
            }
            table += "\n";
        }
        for LeastWork { clients, jitter, calls } in &self.least_work {
            writeln!(table, "least work with {clients} clients: {jitter}, {calls:.0} calls")
                .expect("a string takes it");
        }
        table
    }

    /// Draws calls and completion by the number of clients.
    pub(crate) fn draw(&self, path: &Path) -> Result<(), BoxError> {
        let panel = |title, y, of: fn(&Cell) -> f64| {
            let line = |row: &Row| {
                let point = |cell: &Compared| (f64::from(cell.clients), of(&cell.measured));
                let mut points: Vec<_> = row.cells.iter().map(point).collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                (row.jitter, points)
            };
            let lines = self.rows.iter().map(line).map(|(name, points)| Line { name, points });
            // The slowest takes thirty times as long as the fastest.
            Panel {
                title,
                x: "clients",
                y,
                logarithmic: true,
                marked: true,
                lines: lines.collect(),
            }
        };
        let calls = panel("Work until all clients have written", "calls", |cell| cell.calls);
        let done = panel("Time until all clients have written", "ms", |cell| cell.completion_ms);
        plot::write(path, &[calls, done])
    }
}

/// For each number of clients the row with the fewest calls.
fn least_work(clients: &[u32], rows: &[Row]) -> Vec<LeastWork> {
    let least = |(n, &clients): (usize, &u32)| {
        let calls = |row: &Row| row.cells[n].measured.calls;
        let row = rows.iter().min_by(|a, b| calls(a).total_cmp(&calls(b)))?;
        Some(LeastWork { clients, jitter: row.jitter, calls: calls(row) })
    };
    clients.iter().enumerate().filter_map(least).collect()
}

/// A deviation, with its sign; of nearly none it is a plus.
fn percent(part: f64) -> String {
    format!("{:+.1} %", (part * 1000.0).round() / 10.0 + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_work_is_found_for_each_number_of_clients() {
        let row = |wait: Wait, calls: [f64; 2]| {
            let cell =
                |(clients, calls)| Compared::new(clients, wait, Cell { calls, completion_ms: 1.0 });
            Row { jitter: wait.name(), cells: [2, 3].into_iter().zip(calls).map(cell).collect() }
        };
        let rows = [row(Wait::Full, [5.0, 7.0]), row(Wait::Decorrelated, [4.0, 8.0])];
        let expected = [
            LeastWork { clients: 2, jitter: "decorrelated", calls: 4.0 },
            LeastWork { clients: 3, jitter: "full", calls: 7.0 },
        ];
        assert_eq!(least_work(&[2, 3], &rows), expected);
    }

    #[test]
    fn cells_that_deviate_are_named() {
        let mut report = Report::of(&[2, 10], 20, 1);
        let published = report.rows[0].cells[1].published.unwrap();
        report.rows[0].cells[1] = Compared::new(10, Wait::None, published);
        report.rows[2].cells[1] = Compared::new(10, Wait::Full, published);
        let deviating = report.deviating();
        assert!(deviating.contains(&"full with 10 clients".into()), "{deviating:?}");
        assert!(!deviating.contains(&"none with 10 clients".into()), "{deviating:?}");
    }

    #[test]
    fn deviations_have_a_sign() {
        assert_eq!(percent(0.0123), "+1.2 %");
        assert_eq!(percent(-0.1), "-10.0 %");
        assert_eq!(percent(-0.0001), "+0.0 %");
    }
}
