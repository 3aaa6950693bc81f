//! An outage of ten seconds that plain retries make last for ever, and what ends it.
//!
//! ```text
//! cargo run --release --example metastable
//! ```
//!
//! Callers make 280 calls a second to a server that can do 300. For ten seconds the network holds
//! back what is sent. The server then has a queue so long that callers have left by the time it
//! comes to their requests, and where each of them tries once more it never gets any shorter: the
//! experiment of N. Bronson et al., "Metastable Failures in Distributed Systems" (HotOS 2021). The
//! layers are the real ones; the server is simulated, and the clock of the runtime jumps from one
//! event to the next. The exit code says whether what must be seen was seen.

mod defence;
mod model;
mod picture;
#[path = "../plot.rs"]
mod plot;
mod promise;
mod report;
mod run;
mod server;
mod timeline;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use buttress::prelude::BoxError;
use clap::Parser;

use crate::{defence::Defence, model::Model, report::Report, run::Run};

/// An outage of ten seconds that plain retries make last for ever, and what ends it.
#[derive(Debug, Parser)]
struct Args {
    /// How many runs of each defence: one for each seed from 1 on. How many calls happen to be made
    /// while the server is behind is chance, and moves a slow recovery by a quarter of a minute:
    /// among forty seeds is one with which the default budget takes longer than it must.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Where to write the picture, of the runs with seed 1.
    #[arg(long, default_value = "target/metastable.svg")]
    svg: PathBuf,
    /// Print the figures as one JSON object, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match experiment(&Args::parse()) {
        Ok(report) => {
            let broken = report.rows.iter().filter(|row| !row.kept);
            broken.fold(ExitCode::SUCCESS, |_, row| {
                let must = row.promise.as_deref().unwrap_or_default();
                eprintln!("{} does not recover as it must: {must}", row.defence);
                ExitCode::FAILURE
            })
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn experiment(args: &Args) -> Result<Report, BoxError> {
    let model = Model::published();
    let of_all_seeds = |defence| (1..=args.seeds).map(move |seed| Run { defence, seed });
    let runs: Vec<_> = Defence::ALL.into_iter().flat_map(of_all_seeds).collect();
    let timelines = run::all(&runs, &model)?;
    let runs: Vec<_> = runs.into_iter().zip(timelines).collect();

    let report = Report::of(&runs, &model, args.seeds);
    let text = if args.json { report.json()? } else { report.table(&model) };
    // Not `println!`, which panics when nobody reads it to the end.
    writeln!(io::stdout(), "{}", text.trim_end())?;

    let first: Vec<_> = runs.into_iter().filter(|(run, _)| run.seed == 1).collect();
    picture::write(&args.svg, &first)?;
    eprintln!("\nthe picture is in {}", args.svg.display());
    Ok(report)
}
