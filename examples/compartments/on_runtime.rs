//! A neighbour that computes instead of waiting: no number of places helps then, but threads of its own
//! do.
//!
//! A call that computes for 50 ms without yielding holds the thread that it runs on, and every other
//! call of that thread waits for it, whichever compartment it is in. So that this is seen as it is, the
//! runtime of the callers has one thread here.

use std::{convert::Infallible, hint, time::Duration};

use buttress::prelude::{BoxError, BulkheadLayer, Compartment};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::measure::{median, percentiles_ms};

/// How long a light call waits for something.
const LIGHT: Duration = Duration::from_millis(2);
/// How long a report computes.
const REPORT: Duration = Duration::from_millis(50);
/// From one light call to the next.
const PACE: Duration = Duration::from_millis(2);
/// One report is made for so many light calls: every 120 ms, so a thread computes for two fifths of the
/// time.
const LIGHT_PER_REPORT: u32 = 60;

/// Where the reports are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reports {
    Nowhere,
    InPlace,
    OwnRuntime,
}

/// How long the light calls took beside the reports: medians of the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) reports: Reports,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Light,
    Report,
}

type Service = BoxCloneSyncService<Work, (), BoxError>;

impl Reports {
    pub(crate) const ALL: [Self; 3] = [Self::Nowhere, Self::InPlace, Self::OwnRuntime];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "alone",
            Self::InPlace => "reports in place",
            Self::OwnRuntime => "reports on their runtime",
        }
    }
}

/// Runs of this length for each, in turn.
pub(crate) fn measure(rounds: u64, run: Duration) -> Result<Vec<Beside>, BoxError> {
    let mut seen = Reports::ALL.map(|_| Vec::new());
    for _ in 0..rounds {
        for reports in Reports::ALL {
            seen[reports as usize].push(round(reports, run)?);
        }
    }
    let beside = Reports::ALL.into_iter().zip(seen).map(|(reports, seen)| Beside {
        reports,
        p50_ms: median(seen.iter().map(|[p50, _]| *p50)),
        p99_ms: median(seen.iter().map(|[_, p99]| *p99)),
    });
    Ok(beside.collect())
}

/// The median and the 99th percentile of the light calls, in milliseconds.
fn round(reports: Reports, run: Duration) -> Result<[f64; 2], BoxError> {
    let callers = one_thread("callers")?;
    // Whoever makes a runtime for a compartment keeps it alive; dropped at the end, outside of both.
    let own = one_thread("reports")?;
    let service = service(reports, &own)?;
    // Spawned, for what `block_on` is given runs on the thread that waits, and not on the runtime's.
    let latencies = callers.block_on(callers.spawn(drive(service, reports, run)))??;
    Ok(percentiles_ms(latencies, [0.5, 0.99]))
}

fn one_thread(name: &str) -> Result<Runtime, BoxError> {
    Ok(Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_time().build()?)
}

/// The light calls and the reports, in a compartment each.
fn service(reports: Reports, own: &Runtime) -> Result<Service, BoxError> {
    let layer = BulkheadLayer::compartments(name_of).compartment(("light", 100));
    // None is refused, for there would be fewer reports just where they do harm.
    let compartment = Compartment::new("report", 2).max_wait(Duration::MAX).max_queue(1000);
    let work = service_fn(work);
    Ok(match reports {
        Reports::Nowhere | Reports::InPlace => {
            BoxCloneSyncService::new(layer.compartment(compartment).build()?.layer(work))
        }
        Reports::OwnRuntime => {
            let layer = layer.compartment_on_runtime(compartment, own.handle().clone());
            BoxCloneSyncService::new(layer.build()?.layer(work))
        }
    })
}

fn name_of(work: &Work) -> &str {
    match work {
        Work::Light => "light",
        Work::Report => "report",
    }
}

async fn work(work: Work) -> Result<(), Infallible> {
    match work {
        Work::Light => sleep(LIGHT).await,
        Work::Report => {
            let end = Instant::now() + REPORT;
            while Instant::now() < end {
                hint::spin_loop();
            }
        }
    }
    Ok(())
}

/// Makes the calls when they are due, and gives back how long the light ones took. As in a server,
/// whose requests come in on the threads that its calls run on, a request that is due while the
/// thread computes is taken late, and its latency counts from when it was due.
async fn drive(
    service: Service,
    reports: Reports,
    run: Duration,
) -> Result<Vec<Duration>, BoxError> {
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0.. {
        let due = start + PACE * number;
        if due >= start + run {
            break;
        }
        sleep_until(due).await;
        if reports != Reports::Nowhere && number % LIGHT_PER_REPORT == LIGHT_PER_REPORT / 2 {
            let report = service.clone().oneshot(Work::Report);
            calls.spawn(async { report.await.map(|()| None) });
        }
        let light = service.clone().oneshot(Work::Light);
        calls.spawn(async move { light.await.map(|()| Some(due.elapsed())) });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = calls.join_next().await {
        latencies.extend(ended??);
    }
    Ok(latencies)
}
