//! How costs grow: with calls in flight, with keys, with those who wait.
//!
//! Each figure is that of one among so many, the best of some rounds. Memory is what the allocator was asked for
//! and has not got back; counting it costs each allocation a little, at every size the same.

mod in_flight;
mod keys;
mod waiters;

use std::{error::Error, fs, path::Path, time::Duration};

use buttress_benches::{
    handover,
    scale::{Growth, growths},
};
use tokio::{runtime::Builder, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let mut text = String::new();
    for Costs { of, times, bytes } in [in_flight::costs(), keys::costs(), waiters::costs()] {
        text += &growths(&format!("ns, {of}"), |nanos| format!("{nanos:.0}"), &times);
        text += "\n";
        text += &growths(&format!("bytes, {of}"), |bytes| format!("{bytes:.0}"), &bytes);
        text += "\n";
    }
    print!("{text}");
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(handover::SCALE), text)?;
    Ok(())
}

/// What one among so many costs.
struct Costs {
    of: &'static str,
    times: Vec<Growth>,
    bytes: Vec<Growth>,
}

/// The costs of one kind as they are found, size by size.
struct Series {
    name: String,
    steps: Vec<(&'static str, Vec<(u64, f64)>)>,
    bytes: Vec<(u64, f64)>,
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

    fn add(&mut self, series: Series) {
        let Series { name, steps, bytes } = series;
        for (step, points) in steps {
            self.times.push(Growth { name: format!("{name}, {step}"), points });
        }
        self.bytes.push(Growth { name, points: bytes });
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
