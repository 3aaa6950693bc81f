//! The neighbours over time, as a picture.

use std::{path::Path, time::Duration};

use buttress::prelude::BoxError;

use crate::{
    dependency::Dependency,
    experiment::Run,
    load::hang,
    measure::{Call, Figures, Outcome},
    plot::{self, Line, Panel},
    stack::SetUp,
};

/// How many points a line has.
const POINTS: u32 = 30;

/// Draws what became of the calls to the neighbours, by when they were due, in the runs with the hang.
pub(crate) fn write(path: &Path, runs: &[Run], run: Duration) -> Result<(), BoxError> {
    let served = panel(runs, run, |_| true, |figures| figures.part_served() * 100.0);
    let served = Panel { title: "Calls to the neighbours that are served", y: "percent", ..served };
    // Who is refused at once is not slow, and would look fast.
    let p99 = panel(runs, run, |call| call.outcome != Outcome::Full, |figures| figures.p99_ms);
    let title = "99th percentile of those that are not refused at once";
    let p99 = Panel { title, y: "milliseconds", logarithmic: true, ..p99 };
    plot::write(path, &[served, p99])
}

fn panel(
    runs: &[Run],
    run: Duration,
    counts: fn(&Call) -> bool,
    figure: fn(&Figures) -> f64,
) -> Panel<'static> {
    let mut lines: Vec<_> = SetUp::ALL
        .into_iter()
        .map(|set_up| {
            let of = runs.iter().filter(|run| run.set_up == set_up && run.hangs);
            let calls: Vec<_> = of.flat_map(|run| &run.calls).filter(|call| counts(call)).collect();
            Line { name: set_up.name(), points: points(&calls, run, figure) }
        })
        .collect();
    // As a line up: from then on it hangs.
    let heights = || lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    let height = heights().fold(0.0, f64::max);
    let depth = heights().fold(height, f64::min);
    let hangs = hang(run).start.as_secs_f64();
    lines.push(Line { name: "payment hangs", points: vec![(hangs, depth), (hangs, height)] });
    Panel { title: "", x: "seconds", y: "", logarithmic: false, marked: false, lines }
}

/// A figure of each part of the run, at the middle of it; where there were no calls, there is none.
fn points(calls: &[&Call], run: Duration, figure: fn(&Figures) -> f64) -> Vec<(f64, f64)> {
    let width = run / POINTS;
    let of = |point| {
        let (from, to) = (width * point, width * (point + 1));
        let calls = calls.iter().copied().filter(|call| {
            Dependency::NEIGHBOURS.contains(&call.dependency) && (from..to).contains(&call.at)
        });
        let figures = Figures::of(calls);
        (figures.calls > 0).then(|| ((from + width / 2).as_secs_f64(), figure(&figures)))
    };
    (0..POINTS).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_of_the_neighbours_calls_in_its_time() {
        let call = |ms, dependency, outcome| Call {
            at: Duration::from_millis(ms),
            dependency,
            outcome,
            latency: Duration::ZERO,
        };
        let calls = [
            call(0, Dependency::Email, Outcome::Served),
            call(99, Dependency::Inventory, Outcome::Full),
            call(99, Dependency::Payment, Outcome::Full),
            call(200, Dependency::Email, Outcome::Served),
        ];
        let calls: Vec<_> = calls.iter().collect();
        let points = points(&calls, Duration::from_secs(3), Figures::part_served);
        let expected = [(0.05, 0.5), (0.25, 1.0)];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert_eq!(points.len(), 2, "{points:?}");
        for (point, expected) in points.iter().zip(expected) {
            assert!(close(point.0, expected.0) && close(point.1, expected.1), "{points:?}");
        }
    }
}
