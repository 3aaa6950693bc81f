//! What one program leaves for the one that prints the table: counting allocations makes each of them dearer,
//! so it is not done where time is measured.

use std::fmt::Write as _;

use crate::results::{Allocations, Results, Who};

/// The file of what a call allocates.
pub const ALLOCATIONS: &str = "allocations.tsv";

/// The file of what the gateway found out about itself, as it prints it.
pub const END_TO_END: &str = "end_to_end.json";

/// The file of how costs grow, which is part of the page as it is.
pub const SCALE: &str = "scale.md";

/// A line for each library in each row, of tabs and numbers.
pub fn write(results: &Results) -> String {
    let mut text = String::new();
    for row in &results.rows {
        for (who, figures) in &row.of {
            if let Some(Allocations { count, bytes }) = figures.allocations {
                writeln!(text, "{}\t{}\t{count}\t{bytes}", row.name, who.name())
                    .expect("to a string");
            }
        }
    }
    text
}

/// What was written so; none if it was not.
pub fn read(text: &str, into: &mut Results) -> Option<()> {
    for line in text.lines() {
        let mut parts = line.split('\t');
        let (row, who) = (parts.next()?, Who::named(parts.next()?)?);
        let (count, bytes) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        into.entry(row, who).allocations = Some(Allocations { count, bytes });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut results = Results::default();
        let all = Allocations { count: 2.5, bytes: 144.0 };
        results.entry("retry, without", Who::TowerResilience).allocations = Some(all);
        results.entry("timeout", Who::Bare).allocations =
            Some(Allocations { count: 0.0, bytes: 0.0 });
        let mut again = Results::default();
        assert_eq!(read(&write(&results), &mut again), Some(()));
        assert_eq!(again, results);
    }

    #[test]
    fn nothing_is_read_of_what_was_not_written_so() {
        assert_eq!(read("timeout\tnobody\t1\t2", &mut Results::default()), None);
        assert_eq!(read("timeout", &mut Results::default()), None);
    }
}
