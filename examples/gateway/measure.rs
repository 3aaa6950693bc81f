//! What the layers cost: the same load through the gateway with them and without, and through nginx.
//!
//! Each is a process of its own, as is the upstream. They have their turns one after the other, round by
//! round, in an order that changes; what is compared is compared within a round, so that a machine that
//! is slower for a while is slower for all.

mod child;
mod cpu;
mod median;
mod nginx;
mod report;
mod wrk;

use std::path::{Path, PathBuf};

use buttress::prelude::BoxError;

use crate::{args::Measuring, measure::child::Child};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bare,
    Stack,
    Nginx,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Stack => "stack",
            Self::Nginx => "nginx, one worker",
        }
    }
}

/// One turn of one of them.
#[derive(Debug, Clone, Copy)]
struct Turn {
    per_second: f64,
    p99_ms: f64,
    /// Where the system tells it.
    cpu_us_per_request: Option<f64>,
}

/// The table, or why there is none.
pub(crate) async fn run(measuring: &Measuring) -> Result<String, BoxError> {
    let Some(wrk) = find("wrk") else {
        return Ok("skipped: there is no wrk on PATH to make the load".into());
    };
    let upstream = Child::of_this_program(&["--small-upstream", "--listen", "127.0.0.1:0"]).await?;
    let route = format!("/={}", upstream.url());
    let gateway = ["--listen", "127.0.0.1:0", "--route", &route];
    let mut all = vec![
        (Who::Bare, Child::of_this_program(&[&gateway[..], &["--bare"]].concat()).await?),
        (Who::Stack, Child::of_this_program(&gateway).await?),
    ];
    match find("nginx") {
        Some(nginx) => all.push((Who::Nginx, nginx::in_front_of(&nginx, upstream.url()).await?)),
        None => eprintln!("there is no nginx to compare with"),
    }

    for (_, child) in &all {
        wrk::load(&wrk, child.url(), measuring.connections, 1).await?;
    }
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
            let turn = turn(&wrk, &all[index].1, measuring).await?;
            eprintln!(
                "round {} of {}: {:<18} {:>7.0} requests/s",
                round + 1,
                measuring.rounds,
                all[index].0.name(),
                turn.per_second
            );
            rounds[index].push(turn);
        }
    }
    let measured: Vec<_> = all.iter().map(|(who, _)| *who).zip(rounds).collect();
    Ok(report::table(&measured, measuring))
}

async fn turn(wrk: &Path, child: &Child, measuring: &Measuring) -> Result<Turn, BoxError> {
    let before = child.id().and_then(cpu::used);
    let load = wrk::load(wrk, child.url(), measuring.connections, measuring.round_seconds).await?;
    let used = child
        .id()
        .and_then(cpu::used)
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok(Turn {
        per_second: load.per_second,
        p99_ms: load.p99_ms,
        cpu_us_per_request: used.map(|used| used.as_secs_f64() * 1e6 / load.requests),
    })
}

/// On PATH, or where Debian has servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
