//! A dependency that hangs, and its neighbours: with a compartment for each they notice nothing, with
//! one pool for all they go down with it.
//!
//! ```text
//! cargo run --release --example compartments
//! ```
//!
//! Three upstreams on real sockets, and callers who ask all three through one client. A third into a run
//! `payment` takes requests and answers none. The thirty places are either shared out among
//! compartments, ten for payment, fifteen for inventory and five for email, or are one pool for all.
//! Each run with the hang is compared with one of the same arrivals without it.
//!
//! What five rounds showed, on two cores, of the two neighbours while payment hung:
//!
//! | | served | 99th percentile, to that without the hang |
//! |---|---|---|
//! | in compartments | 100 % | 1.00 and 1.01 times as long |
//! | in one pool | 5 %: those who came before it was used up | 35 times: the second for which callers wait |
//!
//! At rest the pool is the quicker: all thirty places serve whoever comes, and fewer calls queue. That
//! is the price.
//!
//! Then a neighbour that computes, against which places do not help: a compartment on a runtime of its
//! own does.
//!
//! The exit code says whether what must be seen was seen.

mod dependency;
mod experiment;
mod load;
mod measure;
mod on_runtime;
#[path = "../percent.rs"]
mod percent;
mod picture;
#[path = "../plot.rs"]
mod plot;
mod promise;
mod report;
mod stack;
mod upstream;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use buttress::prelude::BoxError;
use clap::Parser;
use tokio::runtime::Runtime;

use crate::experiment::Compared;

/// A dependency that hangs, and its neighbours: in compartments, and in one pool with it.
#[derive(Debug, Parser)]
struct Args {
    /// How long a run takes, in seconds. For two thirds of it payment hangs; those beside reports are a
    /// fourth as long.
    #[arg(long, default_value_t = 1.8, value_parser = seconds)]
    seconds: f64,
    /// How many rounds a figure is the median of. A round is four runs with compartments and a pool, and
    /// three short ones beside reports.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Decides when calls are made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the picture.
    #[arg(long, default_value = "target/compartments.svg")]
    svg: PathBuf,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=600.0).contains(&number) {
        return Ok(number);
    }
    Err("must be from 1 to 600".into())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all promises are kept.
fn run(args: &Args) -> Result<bool, BoxError> {
    let run = Duration::from_secs_f64(args.seconds);
    let runs = Runtime::new()?.block_on(experiment::rounds(args.seed, args.rounds, run))?;
    let beside = on_runtime::measure(args.rounds, run / 4)?;

    let compared = |set_up, dependency| Compared::of(&runs, set_up, dependency, run);
    let promises = promise::all(compared, &beside);
    let text = [
        report::compartments(compared),
        report::goal(compared),
        report::on_runtime(&beside),
        report::promises(&promises),
    ];
    // Not `println!`, which panics when nobody reads it to the end.
    writeln!(io::stdout(), "{}", text.join("\n").trim_end())?;
    picture::write(&args.svg, &runs, run)?;
    eprintln!("\nthe picture is in {}", args.svg.display());
    Ok(promises.iter().all(|promise| promise.is_kept()))
}
