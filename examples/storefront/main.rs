//! A storefront under fire: the same page, from the same failing upstreams, with the
//! Buttress layers and without.
//!
//! ```text
//! cargo run --release --example storefront
//! ```
//!
//! Two gateways compose a page from five upstreams over real loopback sockets: the *bare* one has
//! a timeout of 10 s and three immediate tries, the *buttressed* one the recommended stack around
//! each client. An open-loop load drives both with one schedule, while one upstream hangs, one
//! answers 503 to most requests, one turns slow and one refuses connections; then all recover.
//! A sixth upstream stands in for the one that hangs, and hangs itself for a while. What is
//! reported is measured from that traffic.
//!
//! The faults are a file, `faults.toml`, which is there to be changed; `--faults` names another. With
//! `--pricing-down` the pricing is gone from the first quarter of the run to its end. Each upstream
//! stands behind a `FaultProxy`, so that they happen on the wire.

mod client;
mod faults;
mod figures;
mod gateway;
mod live;
mod load;
mod measure;
mod page;
mod parts;
#[path = "../percent.rs"]
mod percent;
mod priced;
mod report;
mod server;
mod shop;
mod upstream;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use buttress::prelude::BoxError;
use clap::Parser;
use tokio::time::Instant;

use crate::{
    faults::{Scenario, Script},
    figures::{Figures, Moments},
    gateway::{Gateway, bare::Bare, buttressed::Buttressed},
    live::Live,
    measure::Meter,
    percent::percent,
    priced::looked_at_before,
    report::Report,
    upstream::Upstreams,
};

/// What the buttressed gateway must answer within a second, and with a price while pricing is down.
const GOAL: f64 = 0.99;

/// A storefront under fire, with the Buttress layers and without.
#[derive(Debug, Parser)]
struct Args {
    /// How long visitors come, in seconds; the faults are scaled to it.
    #[arg(long, default_value_t = 20.0, value_parser = at_least::<5>)]
    seconds: f64,
    /// Pages asked of each gateway per second, on average.
    #[arg(long, default_value_t = 200.0, value_parser = at_least::<1>)]
    rps: f64,
    /// Decides when visitors come, what they want, and which answers fail.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let pricing be down from the first quarter of the run to its end.
    #[arg(long)]
    pricing_down: bool,
    /// A file of faults in place of `faults.toml`, which says what can stand there.
    #[arg(long, value_name = "FILE", conflicts_with = "pricing_down")]
    faults: Option<PathBuf>,
    /// Print the figures as one JSON object, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
    /// Keep the gateways up after the run, until Ctrl-C.
    #[arg(long)]
    serve: bool,
}

fn at_least<const LEAST: u32>(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number >= f64::from(LEAST) && number <= 100_000.0 {
        return Ok(number);
    }
    Err(format!("must be from {LEAST} to 100000"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(report) => match broken(&report) {
            None => ExitCode::SUCCESS,
            Some(promise) => {
                eprintln!("{promise}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// What the buttressed gateway did not keep of its promises. About faults of the user's own there are
/// none.
fn broken(report: &Report) -> Option<String> {
    let Report { scenario, buttressed, looked_at_before, .. } = report;
    if matches!(scenario, Scenario::Own(_)) {
        return None;
    }
    if buttressed.answered_within_1s < GOAL {
        return Some("the buttressed gateway answered less than 99 % within 1 s".into());
    }
    let down = *scenario == Scenario::PricingDown;
    let priced = buttressed.priced.while_pricing_failed;
    (down && priced.is_some_and(|part| part < GOAL)).then(|| {
        let known = percent(*looked_at_before);
        format!(
            "less than 99 % of the buttressed pages had a price while pricing was down; {known} were \
             of products that somebody had looked at before"
        )
    })
}

async fn run(args: &Args) -> Result<Report, BoxError> {
    let run = Duration::from_secs_f64(args.seconds);
    let schedule = load::schedule(args.seed, args.rps, run);
    let scenario = match &args.faults {
        Some(path) => Scenario::Own(path.clone()),
        None if args.pricing_down => Scenario::PricingDown,
        None => Scenario::Usual,
    };
    let script = Script::of(&scenario, run)?;
    raise_file_limit(args.rps);

    let upstreams = Upstreams::start(args.seed).await?;
    let [bare, buttressed] = [(); 2].map(|()| Arc::new(Meter::new(schedule.len())));
    let fetch = Buttressed::new(upstreams.addresses(), &buttressed, run)?;
    let breakers = fetch.breakers();
    let router = Buttressed::protect(gateway::router(fetch, Arc::clone(&buttressed)))?;
    let buttressed = Gateway::start(router, buttressed)?;
    let router = gateway::router(Bare::new(upstreams.addresses(), &bare), Arc::clone(&bare));
    let bare = Gateway::start(router, bare)?;
    let urls = format!("bare: {}\nbuttressed: {}", bare.url(), buttressed.url());
    if args.serve {
        eprintln!("{urls}");
    }

    let start = Instant::now();
    let meters = [&bare, &buttressed].map(|gateway| Arc::clone(&gateway.meter));
    let live = Live { meters: meters.clone(), breakers, script: script.clone(), start, run };
    let live = tokio::spawn(live.show());
    let targets = [&bare, &buttressed].map(Gateway::target);
    let ((), played) = tokio::join!(
        load::drive(&schedule, targets, start, run),
        upstreams.play(&script, &meters, start, run),
    );
    let moments =
        Moments { recovered: played?.recovered, run_ended: run, given_up: start.elapsed() };
    live.abort();
    eprintln!();

    let figures = |meter: &Meter| Figures::of(meter, &schedule, &script, moments);
    let report = Report {
        scenario,
        seed: args.seed,
        seconds: args.seconds,
        rps: args.rps,
        requests: schedule.len(),
        faults: Report::faults_of(&script),
        looked_at_before: looked_at_before(&schedule, &script),
        recovers: script.ends(run) < run,
        bare: figures(&bare.meter),
        buttressed: figures(&buttressed.meter),
    };
    let text = if args.json { report.json()? } else { report.table() };
    // Not `println!`, which panics when nobody reads it to the end.
    writeln!(io::stdout(), "{}", text.trim_end())?;

    if args.serve {
        eprintln!("{urls}\nstill up; Ctrl-C ends them");
        tokio::signal::ctrl_c().await?;
    }
    tokio::join!(bare.shut_down(), buttressed.shut_down());
    upstreams.shut_down().await;
    Ok(report)
}

/// The bare gateway keeps whatever hangs for ten seconds, and a page that hangs is three connections, one
/// of them from the proxy to the upstream, with two ends each, all of them in this process.
fn raise_file_limit(rps: f64) {
    let needed = (rps * 6.0 * 10.0).ceil();
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    if (limit as f64) < needed {
        eprintln!(
            "at most {limit} open files, and about {needed} may be needed: expect errors that \
             are not the gateways'; see `ulimit -n`, or lower --rps"
        );
    }
}
