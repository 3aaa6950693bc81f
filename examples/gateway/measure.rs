//! What the layers cost: the same loads through the gateway with them and without, through one with the layers of
//! tower-resilience, if that is built in, and through nginx.
//!
//! Each is a process of its own, as is the upstream. They have their turns one after the other, round by
//! round, in an order that changes; what is compared is compared within a round, so that a machine that
//! is slower for a while is slower for all.

mod child;
mod cpu;
mod load;
mod median;
mod nginx;
mod open;
mod reached;
mod report;
mod wrk;

use std::{path::PathBuf, time::Duration};

use buttress::prelude::BoxError;

use crate::{
    args::Measuring,
    measure::{
        child::Child,
        load::{Answers, Latency, Load},
        reached::Upstream,
        report::{Measured, Report},
        wrk::Wrk,
    },
};

/// Seconds in which each gets to know its upstream, and the bare one shows what it can do.
const WARM_UP: u32 = 1;

/// What part of what the bare gateway can do is asked of all, where they are not waited for: of two cores the
/// generator and the upstream need theirs, and where all are busy it is the generator that is late.
const PART: f64 = 1.0 / 3.0;

/// Who is measured.
struct Gateway {
    name: &'static str,
    process: Child,
}

/// One turn of one of them.
#[derive(Debug, Clone, Copy)]
struct Turn {
    closed: Load,
    open: Load,
    /// How late the generator of the open loop was itself.
    late: Latency,
}

/// The table, or why there is none.
pub(crate) async fn run(measuring: &Measuring) -> Result<String, BoxError> {
    let report = match find("wrk") {
        Some(wrk) => Report::Measured(measure(Wrk::new(wrk)?, measuring).await?),
        None => Report::Skipped("there is no wrk on PATH to make the load".into()),
    };
    Ok(if measuring.json { serde_json::to_string_pretty(&report)? } else { report.to_string() })
}

async fn measure(wrk: Wrk, measuring: &Measuring) -> Result<Measured, BoxError> {
    let upstream = Upstream::start().await?;
    let all = gateways(upstream.url()).await?;
    let mut can = Vec::with_capacity(all.len());
    for gateway in &all {
        let url = gateway.process.url();
        can.push(wrk.load(url, measuring.connections, WARM_UP).await?);
    }
    let part = Load::new(&can[0], None).per_second * PART;
    let rate = measuring.rate.map_or(part, f64::from).round();
    let measure = Measure { wrk, upstream, rate, measuring };
    let mut rounds = vec![Vec::new(); all.len()];
    for round in 0..measuring.rounds {
        let mut order: Vec<_> = (0..all.len()).collect();
        // Each is first, and each comes after each of the others, as often.
        let turned = round as usize / 2 % all.len();
        order.rotate_left(turned);
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let Gateway { name, process } = &all[index];
            let turn =
                measure.turn(process, round).await.map_err(|why| format!("{name}: {why}"))?;
            eprintln!(
                "round {} of {}: {name:<16} {:>7.0} requests/s",
                round + 1,
                measuring.rounds,
                turn.closed.per_second
            );
            rounds[index].push(turn);
        }
    }
    let names = all.iter().map(|gateway| gateway.name);
    Ok(Measured::new(measuring, rate, &names.zip(rounds).collect::<Vec<_>>()))
}

/// All there are, the bare one first.
async fn gateways(upstream: &str) -> Result<Vec<Gateway>, BoxError> {
    let route = format!("/={upstream}");
    let gateway = ["--listen", "127.0.0.1:0", "--route", &route];
    let ours = [
        ("bare", Some("--bare")),
        ("buttress", None),
        #[cfg(feature = "peers")]
        ("tower-resilience", Some("--tower-resilience")),
    ];
    let mut all = Vec::new();
    for (name, layers) in ours {
        let args: Vec<_> = gateway.into_iter().chain(layers).collect();
        all.push(Gateway { name, process: Child::of_this_program(&args).await? });
    }
    match find("nginx") {
        Some(nginx) => {
            let process = nginx::in_front_of(&nginx, upstream).await?;
            all.push(Gateway { name: "nginx", process });
        }
        None => eprintln!("there is no nginx to compare with"),
    }
    Ok(all)
}

/// What all turns have in common.
struct Measure<'a> {
    wrk: Wrk,
    upstream: Upstream,
    rate: f64,
    measuring: &'a Measuring,
}

impl Measure<'_> {
    async fn turn(&self, gateway: &Child, round: u32) -> Result<Turn, BoxError> {
        let &Measuring { connections, round_seconds, .. } = self.measuring;
        let closed = self.wrk.load(gateway.url(), connections, round_seconds);
        let (closed, ()) = self.seen(gateway, async { Ok((closed.await?, ())) }).await?;
        let run = Duration::from_secs(round_seconds.into());
        let schedule = open::schedule(round.into(), self.rate, run)?;
        let address = gateway.url().trim_start_matches("http://").parse()?;
        let open = open::load(address, connections, schedule);
        let (open, late) = self.seen(gateway, open).await?;
        Ok(Turn { closed, open, late })
    }

    /// A load, with what it took the gateway, and whether the upstream saw it.
    async fn seen<T>(
        &self,
        gateway: &Child,
        load: impl Future<Output = Result<(Answers, T), BoxError>>,
    ) -> Result<(Load, T), BoxError> {
        let reached = self.upstream.reached().await?;
        let used = gateway.id().and_then(cpu::used);
        let (answers, besides) = load.await?;
        let cpu = gateway.id().and_then(cpu::used).zip(used);
        let reached = self.upstream.reached().await?.saturating_sub(reached);
        reached::check(answers.count, reached, self.measuring.connections)?;
        let cpu = cpu.map(|(after, before)| after.saturating_sub(before));
        Ok((Load::new(&answers, cpu), besides))
    }
}

/// On PATH, or where Debian has servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
