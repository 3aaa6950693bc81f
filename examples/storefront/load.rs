//! The visitors: an open-loop load, the same for every gateway.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::{Request, StatusCode, header::AUTHORIZATION};
use buttress::prelude::BoxError;
use http_body_util::{BodyExt, Empty};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    client::{PlainClient, plain_client},
    measure::Meter,
    page::Page,
};

/// How long after the last request answers are waited for: the longest that counts as in time.
const GRACE: Duration = Duration::from_secs(1);

const PRODUCTS: u32 = 20;
const USERS: u32 = 500;
const QUERIES: [&str; 6] = ["tea", "green-tea", "teapot", "cups", "honey", "biscuits"];

/// A visit that is due at a moment, counted from the start of the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: Duration,
    user: u32,
    pub(crate) product: u32,
    query: &'static str,
}

/// The arrivals of a run: a Poisson process, for visitors do not know of each other.
pub(crate) fn schedule(seed: u64, per_second: f64, run: Duration) -> Vec<Arrival> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut arrivals = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        // Never the logarithm of zero: `random` is below one.
        let gap = -(1.0 - rng.random::<f64>()).ln() / per_second;
        at += Duration::from_secs_f64(gap);
        if at >= run {
            return arrivals;
        }
        arrivals.push(Arrival {
            at,
            user: rng.random_range(1..=USERS),
            product: rng.random_range(1..=PRODUCTS),
            query: QUERIES[rng.random_range(0..QUERIES.len())],
        });
    }
}

impl Arrival {
    fn product_name(&self) -> String {
        format!("product-{}", self.product)
    }
}

#[cfg(test)]
impl Arrival {
    /// Somebody looks at this product.
    pub(crate) fn at(at: Duration, product: u32) -> Self {
        Self { at, user: 1, product, query: QUERIES[0] }
    }
}

/// A gateway to visit, and who takes note.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) meter: Arc<Meter>,
}

/// Sends each request when it is due, whatever became of those before, and waits for the answers
/// until a second after the end of the run. Those that are missing then stay unanswered.
pub(crate) async fn drive(
    schedule: &[Arrival],
    targets: [Target; 2],
    start: Instant,
    run: Duration,
) {
    let targets = targets.map(|target| (target, plain_client()));
    let mut visits = JoinSet::new();
    for (number, arrival) in schedule.iter().enumerate() {
        let due = start + arrival.at;
        sleep_until(due).await;
        for (Target { address, meter }, client) in targets.clone() {
            let arrival = arrival.clone();
            visits.spawn(async move {
                let product = arrival.product_name();
                let page = visit(&client, address, &product, &arrival).await.ok();
                // From when it was due, not from when it was sent: a generator that is late
                // must not make the gateway look fast.
                meter.answered(number, &product, due.elapsed(), page.as_ref());
            });
        }
    }
    let all = async { while visits.join_next().await.is_some() {} };
    let _ = timeout_at(start + run + GRACE, all).await;
    visits.shutdown().await;
}

async fn visit(
    client: &PlainClient,
    gateway: SocketAddr,
    product: &str,
    arrival: &Arrival,
) -> Result<Page, BoxError> {
    let Arrival { user, query, .. } = arrival;
    let request = Request::get(format!("http://{gateway}/?product={product}&q={query}"))
        .header(AUTHORIZATION, format!("Bearer user-{user}"))
        .body(Empty::new())?;
    let response = client.request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string().into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_secs(20);

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(schedule(1, 200.0, RUN), schedule(1, 200.0, RUN));
        assert_ne!(schedule(1, 200.0, RUN), schedule(2, 200.0, RUN));
    }

    #[test]
    fn arrivals_are_in_order_in_the_run_and_as_many_as_asked_for() {
        for seed in 0..20 {
            let schedule = schedule(seed, 200.0, RUN);
            assert!(schedule.is_sorted_by_key(|arrival| arrival.at));
            assert!(schedule.iter().all(|arrival| arrival.at < RUN));
            // Five standard deviations of a Poisson count of 4000.
            assert!(schedule.len().abs_diff(4000) < 316, "{}", schedule.len());
        }
    }
}
