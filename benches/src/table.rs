//! The one table, as Markdown that can be read without a renderer.

use crate::{
    goals::{Goal, ratio, short},
    results::{Figures, Results, Row, Who},
};

/// Of the libraries that were measured, with the goals of each row.
pub fn table(results: &Results) -> String {
    let seen = |who: &Who| results.rows.iter().any(|row| row.of.contains_key(who));
    let columns: Vec<_> = Who::ALL.into_iter().filter(seen).collect();
    let mut lines = vec![heading(&columns)];
    for row in &results.rows {
        let mut line = vec![row.name.clone()];
        line.extend(columns.iter().map(|who| cell(row, *who)));
        let goals: Vec<_> = Goal::of(&row.name).collect();
        let join = |texts: Vec<String>| texts.join("; ");
        line.push(join(goals.iter().map(|goal| goal.asks.to_string()).collect()));
        line.push(join(goals.iter().map(|goal| goal.verdict(results).to_string()).collect()));
        lines.push(line);
    }
    aligned(&lines)
}

fn heading(columns: &[Who]) -> Vec<String> {
    let names = columns.iter().map(|who| who.name());
    ["per call"].into_iter().chain(names).chain(["goal", "is it met"]).map(String::from).collect()
}

/// `51.0 ns (0.48), 2 of 144 B`: the time, ours as a part of it, allocations and their bytes.
fn cell(row: &Row, who: Who) -> String {
    let Some(figures) = row.of.get(&who) else { return String::new() };
    let ours = row.of.get(&Who::Buttress).filter(|_| !matches!(who, Who::Bare | Who::Buttress));
    let part = |figure: fn(&Figures) -> Option<f64>| {
        let part = ratio(figure(ours?), figure(figures))?;
        Some(format!(" ({})", short(part)))
    };
    let mut texts = Vec::new();
    if let Some(nanos) = figures.nanos {
        texts.push(format!("{}{}", time(nanos), part(|of| of.nanos).unwrap_or_default()));
    }
    if let Some(all) = figures.allocations {
        texts.push(match all.count {
            0.0 => "0".to_owned(),
            count => format!("{} of {} B", short(count), short(all.bytes)),
        });
    }
    if let Some(bytes) = figures.future {
        let part = part(|of| of.future.map(|bytes| bytes as f64)).unwrap_or_default();
        texts.push(format!("{bytes} B{part}"));
    }
    if let Some(times) = figures.two_threads {
        texts.push(format!("2 threads {times:.2}"));
    }
    if let Some(part) = figures.throughput {
        texts.push(format!("{part:.2} of bare"));
    }
    texts.join(", ")
}

/// To three digits.
pub(crate) fn time(nanos: f64) -> String {
    if nanos < 100.0 {
        format!("{nanos:.1} ns")
    } else if nanos < 10_000.0 {
        format!("{nanos:.0} ns")
    } else {
        format!("{:.1} µs", nanos / 1e3)
    }
}

/// A Markdown table whose columns stand under each other.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default().max(3)
    };
    let widths: Vec<_> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let row = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<_> =
            cells.zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        text += &row(&mut line.iter().cloned());
        if at == 0 {
            text += &row(&mut widths.iter().map(|&width| "-".repeat(width)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Allocations;

    #[test]
    fn a_row_has_the_figures_of_each_its_ratios_and_its_goals() {
        let mut results = Results::default();
        results.entry("timeout", Who::Buttress).nanos = Some(24.04);
        results.entry("timeout", Who::Buttress).allocations =
            Some(Allocations { count: 0.0, bytes: 0.0 });
        results.entry("timeout", Who::Tower).nanos = Some(50.0);
        results.entry("timeout", Who::Tower).allocations =
            Some(Allocations { count: 2.0, bytes: 144.0 });
        results.entry("future of x", Who::Buttress).future = Some(96);
        results.entry("future of x", Who::Tower).future = Some(48);
        results.entry("shared", Who::Bare).nanos = Some(12_345.0);
        results.entry("shared", Who::Bare).two_threads = Some(1.954);
        assert_eq!(
            table(&results),
            "\
| per call    | bare                    | buttress   | tower                      | goal           | is it met |
| ----------- | ----------------------- | ---------- | -------------------------- | -------------- | --------- |
| timeout     |                         | 24.0 ns, 0 | 50.0 ns (0.48), 2 of 144 B | ≤ 0.6 of tower | met: 0.48 |
| future of x |                         | 96 B       | 48 B (2)                   |                |           |
| shared      | 12.3 µs, 2 threads 1.95 |            |                            |                |           |
"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_text_in_characters() {
        let line = |texts: [&str; 2]| texts.map(String::from).to_vec();
        assert_eq!(
            aligned(&[line(["a", "µµµµ"]), line(["long", ""])]),
            "| a    | µµµµ |\n| ---- | ---- |\n| long |      |\n"
        );
    }
}
