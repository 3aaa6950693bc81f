//! What a call of each subject takes, beside its peers, and the table of all that was found.
//!
//! After the other programs, whose findings it takes up: then it writes `RESULTS.md`. By itself it prints a table
//! without them, and writes nothing; so it does when it is given words, and measures only the rows that contain
//! one of them.

use std::{env, error::Error, fs, path::Path};

use buttress_benches::{
    end_to_end::EndToEnd, environment::Environment, handover, measure, report::report,
    results::Results, subjects, table::table,
};
use tokio::runtime::Builder;

/// A batch for each subject in each, and some for those that are measured by two threads.
const ROUNDS: u32 = 300;
const ROUNDS_OF_THREADS: u32 = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut environment = Environment::now(&here.join(".."));
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let asked =
        |row: &str| words.is_empty() || words.iter().any(|word| row.contains(word.as_str()));
    let mut results = Results::default();
    let mut calls = subjects::all();
    calls.all.retain(|subject| asked(&subject.row));
    measure::calls(&mut calls, ROUNDS, &mut results);
    let mut shared = subjects::shared();
    shared.retain(|subject| asked(subject.row));
    measure::threads(&shared, ROUNDS_OF_THREADS, &mut results);
    for (row, who, bytes) in subjects::sizes().into_iter().filter(|(row, ..)| asked(row)) {
        results.entry(row, who).future = Some(bytes);
    }
    environment.is_over();
    if !words.is_empty() {
        print!("{}", table(&results));
        return Ok(());
    }
    let [allocations, end_to_end, scale] =
        [handover::ALLOCATIONS, handover::END_TO_END, handover::SCALE].map(take);
    if let Some(allocations) = &allocations {
        handover::read(allocations, &mut results)
            .ok_or("what the allocations wrote is no table")?;
    }
    let end_to_end = end_to_end.map(|json| EndToEnd::read(&json)).transpose()?;
    if let Some(end_to_end) = &end_to_end {
        end_to_end.add_to(&mut results);
        println!("{end_to_end}");
    }
    if let Some(scale) = &scale {
        println!("{scale}");
    }
    print!("{}", table(&results));
    let (Some(_), Some(end_to_end), Some(scale)) = (allocations, end_to_end, scale) else {
        println!(
            "RESULTS.md stays as it was: it wants --features peers, and all of the programs that fill it"
        );
        return Ok(());
    };
    let misses = fs::read_to_string(here.join("MISSES.md")).unwrap_or_default();
    let page = report(&environment, &results, &end_to_end, &scale, &misses);
    fs::write(here.join("RESULTS.md"), page)?;
    Ok(())
}

/// What another program left, once: a later run has to find it anew.
fn take(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = fs::read_to_string(&path).ok()?;
    fs::remove_file(path).ok()?;
    Some(text)
}
