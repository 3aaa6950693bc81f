//! A run of each defence as a picture: what was answered, and what was sent for it.

use std::path::Path;

use buttress::prelude::BoxError;

use crate::{
    plot::{self, Line, Panel},
    run::Run,
    timeline::{Second, Timeline},
};

/// The seconds over which a point is an average: single ones are too jagged to be told apart.
const POINT: usize = 5;

/// Draws these runs over time.
pub(crate) fn write(path: &Path, runs: &[(Run, Timeline)]) -> Result<(), BoxError> {
    let panel = |title, y, count: fn(&Second) -> u32| Panel {
        title,
        x: "seconds",
        y,
        logarithmic: false,
        marked: false,
        lines: runs
            .iter()
            .map(|(run, timeline)| Line {
                name: run.defence.name(),
                points: points(&timeline.seconds, count),
            })
            .collect(),
    };
    let answered =
        panel("Answered in time, by when the call was made", "calls a second", |second| {
            second.answered
        });
    let sent = panel("Sent to a server that can do 300", "requests a second", |second| second.sent);
    plot::write(path, &[answered, sent])
}

/// Averages over a few seconds each, at the middle of them.
fn points(seconds: &[Second], count: fn(&Second) -> u32) -> Vec<(f64, f64)> {
    let chunks = seconds.chunks_exact(POINT).enumerate();
    chunks
        .map(|(n, chunk)| {
            let sum: u32 = chunk.iter().map(count).sum();
            ((n as f64 + 0.5) * POINT as f64, f64::from(sum) / POINT as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_average_of_its_seconds() {
        let second = |sent| Second { sent, ..Second::default() };
        let seconds: Vec<_> = [1, 2, 3, 4, 5, 10, 10, 10, 10, 20, 99].map(second).into();
        let points = points(&seconds, |second| second.sent);
        assert_eq!(points, [(2.5, 3.0), (7.5, 12.0)], "what is left over is no average");
    }
}
