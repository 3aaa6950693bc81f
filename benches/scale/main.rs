//! How costs grow: with calls in flight, with keys, with those who wait.
//!
//! Each figure is that of one among so many, the best of some rounds. Memory is what the allocator was asked for
//! and has not got back; counting it costs each allocation a little, at every size the same. Beside each stands
//! what as much memory costs by itself, taken and given back in the same order: what grows as that does grows with
//! what the caches miss.
//!
//! Given words, it measures only what contains one of them, and leaves nothing for the table.

mod in_flight;
mod keys;
mod waiters;

use std::{env, error::Error, fs, path::Path, time::Duration};

use buttress_benches::{
    handover,
    scale::{Growth, Points, growths},
};
use tokio::{runtime::Builder, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let kinds: [Kind; 3] =
        [("in flight", in_flight::costs), ("keys", keys::costs), ("waiters", waiters::costs)];
    let asked =
        |kind: &str| words.is_empty() || words.iter().any(|word| kind.contains(word.as_str()));
    let mut text = String::new();
    for (_, costs) in kinds.iter().filter(|(kind, _)| asked(kind)) {
        let Costs { of, times, bytes } = costs();
        text += &growths(&format!("ns, {of}"), |nanos| format!("{nanos:.0}"), &times);
        text += "\n";
        text += &growths(&format!("bytes, {of}"), |bytes| format!("{bytes:.0}"), &bytes);
        text += "\n";
    }
    print!("{text}");
    if !words.is_empty() {
        return Ok(());
    }
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(handover::SCALE), text)?;
    Ok(())
}

/// What it is called, and what measures it.
type Kind = (&'static str, fn() -> Costs);

/// What one among so many costs.
struct Costs {
    of: &'static str,
    times: Vec<Growth>,
    bytes: Vec<Growth>,
}

/// The costs of one kind as they are found, size by size.
struct Series {
    name: String,
    steps: Vec<(&'static str, Points)>,
    bytes: Points,
}

impl Series {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), steps: Vec::new(), bytes: Vec::new() }
    }

    /// What one of so many steps took in one round; of several rounds the best counts.
    fn step(&mut self, step: &'static str, units: u64, took: Duration) {
        let each = took.as_secs_f64() * 1e9 / units as f64;
        let at = self.steps.iter().position(|(known, _)| *known == step).unwrap_or_else(|| {
            self.steps.push((step, Vec::new()));
            self.steps.len() - 1
        });
        match self.steps[at].1.last_mut() {
            Some((size, best)) if *size == units => *best = best.min(each),
            _ => self.steps[at].1.push((units, each)),
        }
    }

    fn bytes(&mut self, units: u64, bytes: i64) {
        match self.bytes.last_mut() {
            Some((size, each)) if *size == units => *each = bytes as f64 / units as f64,
            _ => self.bytes.push((units, bytes as f64 / units as f64)),
        }
    }
}

impl Costs {
    fn new(of: &'static str) -> Self {
        Self { of, times: Vec::new(), bytes: Vec::new() }
    }

    /// `memory` is what as much of it costs by itself.
    fn add(&mut self, series: &Series, memory: &Series) {
        self.add_times(memory, memory);
        self.add_times(series, memory);
        let points = series.bytes.clone();
        self.bytes.push(Growth { name: series.name.clone(), points, memory: Points::new() });
    }

    fn add_times(&mut self, series: &Series, memory: &Series) {
        for (step, points) in &series.steps {
            let beside = memory.steps.iter().find(|(known, _)| known == step);
            self.times.push(Growth {
                name: format!("{}, {step}", series.name),
                points: points.clone(),
                memory: beside.map_or_else(Points::new, |(_, points)| points.clone()),
            });
        }
    }
}

/// More of them where there is less to do in each.
fn rounds(units: u64) -> u64 {
    (200_000 / units).clamp(3, 1_000)
}

/// How long this takes, and how much memory it keeps.
fn measured(work: impl FnOnce()) -> (Duration, i64) {
    let mut took = Duration::ZERO;
    let counted = allocation_counter::measure(|| {
        let start = Instant::now();
        work();
        took = start.elapsed();
    });
    (took, counted.bytes_current)
}
