//! The buttressed gateway: the recommended stack around the client of each upstream, and the
//! server's part of it around the router.

mod fallback;
mod regional;
mod trending;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::HttpBody,
    http::{Response, StatusCode},
};
use buttress::{core::Degraded, prelude::*};
use bytes::Bytes;
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    client::{Ask, CountingClient},
    gateway::Fetch,
    measure::Meter,
    page::{Mark, Part},
    shop::{Upstream, Visit},
};

use fallback::StandIns;
use trending::Trending;

/// A page is wanted within a second; this leaves some of it for the way to the visitor.
const PAGE: Duration = Duration::from_millis(900);
/// What of that an upstream may take with all its attempts, so that its fallback has its turn.
const OVERALL: Duration = Duration::from_millis(700);
/// Healthy upstreams answer in a few milliseconds. One attempt of this length may be lost, and
/// there is still time for two more.
const ATTEMPT: Duration = Duration::from_millis(250);
/// The attempts of one call, the first included.
const ATTEMPTS: u32 = 3;
/// Between attempts; enough for a connection to be replaced.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(100));
/// Calls to one upstream at once. At 200 pages a second and 5 ms a call one is enough on average.
const AT_ONCE: usize = 40;
/// Pages at once.
const PAGES_AT_ONCE: usize = 1000;
/// The outages of a run are as much shorter than real ones as this is shorter than the 30
/// seconds that a breaker stays open by default.
const OPEN_PART_OF_RUN: u32 = 20;

/// Asks each upstream through the recommended stack.
#[derive(Clone)]
pub(crate) struct Buttressed {
    stacks: Arc<[Stack]>,
    regional: BreakerHandle,
    trending: Trending,
}

struct Stack {
    client: CountingClient,
    service: BoxCloneSyncService<Ask, Answer, BoxError>,
    breaker: BreakerHandle,
}

/// An answer, read to its end.
struct Answer {
    content: Bytes,
    degraded: Option<Mark>,
}

impl Buttressed {
    /// `run` is the length of the run.
    pub(crate) fn new(
        addresses: [SocketAddr; 6],
        meter: &Arc<Meter>,
        run: Duration,
    ) -> Result<Self, BoxError> {
        let open_for = run / OPEN_PART_OF_RUN;
        let client = |upstream: Upstream| {
            CountingClient::new(upstream, addresses[upstream as usize], Arc::clone(meter))
        };
        let (regional, breaker) = regional::service(&client(Upstream::Regional), open_for)?;
        let trending = Trending::default();
        let stand_ins = StandIns::new(regional, trending.clone())?;
        let stacks: Result<_, _> = Upstream::PARTS
            .into_iter()
            .map(|upstream| stack(client(upstream), &stand_ins, open_for))
            .collect();
        Ok(Self { stacks: stacks?, regional: breaker, trending })
    }

    /// The circuit breakers of all upstreams, to look at.
    pub(crate) fn breakers(&self) -> Vec<BreakerHandle> {
        self.stacks.iter().map(|stack| &stack.breaker).chain([&self.regional]).cloned().collect()
    }

    /// Puts the server's part of the stack around the router.
    pub(crate) fn protect(router: Router) -> Result<Router, ConfigError> {
        let http = Http::new();
        let bulkhead = BulkheadLayer::builder().max_concurrent(PAGES_AT_ONCE);
        let layers = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(TimeoutLayer::builder().overall(PAGE).name("page").protocol(http).build()?)
            .layer(bulkhead.name("page").protocol(http).build()?);
        Ok(router.layer(layers))
    }
}

impl Fetch for Buttressed {
    async fn fetch(&self, upstream: Upstream, visit: &Visit) -> Result<Part, BoxError> {
        let Stack { client, service, .. } = &self.stacks[upstream as usize];
        if upstream == Upstream::Recommendations {
            self.trending.looked_at(&visit.product);
        }
        let request = client.request(visit)?;
        let Answer { content, degraded } = service.clone().oneshot(request).await?;
        Part::new(&content, degraded)
    }
}

/// The recommended stack around the client of one upstream.
fn stack(
    client: CountingClient,
    stand_ins: &StandIns,
    open_for: Duration,
) -> Result<Stack, ConfigError> {
    let http = Http::new();
    let upstream = client.upstream();
    let name = upstream.name();
    let limit = |limit| TimeoutLayer::builder().overall(limit).name(name).protocol(http).build();
    let retry = JitteredRetryLayer::builder()
        .max_attempts(ATTEMPTS)
        .backoff(Backoff::exponential(BACKOFF.0, BACKOFF.1))
        .jitter(Jitter::Full);
    let breaker = BreakerLayer::builder().consecutive_failures(5).open_for(open_for);
    let breaker = breaker.name(name).protocol(http).build()?;
    let handle = breaker.handle();
    let bulkhead = BulkheadLayer::builder().max_concurrent(AT_ONCE);
    let service = ServiceBuilder::new()
        .and_then(read)
        .layer(stand_ins.of(upstream)?)
        .layer(limit(OVERALL)?)
        .layer(retry.name(name).protocol(http).build()?)
        .layer(breaker)
        .layer(bulkhead.name(name).protocol(http).build()?)
        .layer(limit(ATTEMPT)?)
        .service(client.clone());
    Ok(Stack { client, service: BoxCloneSyncService::new(service), breaker: handle })
}

/// Reads an answer to its end, under the limits that travel in its body.
async fn read<B>(response: Response<B>) -> Result<Answer, BoxError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("an upstream answered {}", head.status).into());
    }
    let degraded = head.extensions.get::<Degraded>().map(Mark::from);
    let content = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Answer { content, degraded })
}
