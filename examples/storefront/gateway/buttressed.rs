//! The buttressed gateway: the recommended stack around the client of each upstream, and the
//! server's part of it around the router.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::HttpBody,
    http::{HeaderValue, Response, StatusCode, Uri},
};
use buttress::{fallback::Failure, http::DEGRADED_HEADER, prelude::*};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    client::{Ask, CountingClient},
    gateway::Fetch,
    measure::Meter,
    page::Part,
    shop::{self, Upstream, Visit},
};

/// A page is wanted within a second; this leaves some of it for the way to the visitor.
const PAGE: Duration = Duration::from_millis(900);
/// What of that an upstream may take with all its attempts, so that its fallback has its turn.
const OVERALL: Duration = Duration::from_millis(800);
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
    prices: Prices,
}

struct Stack {
    client: CountingClient,
    service: BoxCloneSyncService<Ask, Answer, BoxError>,
    breaker: BreakerHandle,
}

/// An answer, read to its end.
struct Answer {
    content: Bytes,
    degraded: Option<String>,
}

impl Buttressed {
    /// `run` is the length of the run.
    pub(crate) fn new(
        addresses: [SocketAddr; 5],
        meter: &Arc<Meter>,
        run: Duration,
    ) -> Result<Self, ConfigError> {
        let prices = Prices::default();
        let stacks: Result<_, _> = Upstream::ALL
            .into_iter()
            .zip(addresses)
            .map(|(upstream, address)| {
                let client = CountingClient::new(upstream, address, Arc::clone(meter));
                stack(client, &prices, run / OPEN_PART_OF_RUN)
            })
            .collect();
        Ok(Self { stacks: stacks?, prices })
    }

    /// The circuit breakers, to look at.
    pub(crate) fn breakers(&self) -> Vec<BreakerHandle> {
        self.stacks.iter().map(|stack| stack.breaker.clone()).collect()
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
        let request = client.request(visit)?;
        let Answer { content, degraded } = service.clone().oneshot(request).await?;
        if upstream == Upstream::Pricing && degraded.is_none() {
            self.prices.learn(visit.subject(upstream), &content);
        }
        Part::new(&content, degraded)
    }
}

/// The recommended stack around the client of one upstream.
fn stack(
    client: CountingClient,
    prices: &Prices,
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
        .layer(fallback(upstream, prices)?)
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
    let degraded = head
        .headers
        .get(DEGRADED_HEADER)
        .map(|tier| String::from_utf8_lossy(tier.as_bytes()).into_owned());
    let content = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Answer { content, degraded })
}

/// What a fallback needs to know of a request.
struct Kept {
    uri: Uri,
    token: Option<HeaderValue>,
}

impl Kept {
    fn of(request: &Ask) -> Self {
        Self { uri: request.uri().clone(), token: shop::token(request.headers()) }
    }

    fn subject(&self) -> &str {
        self.uri.path().trim_start_matches('/')
    }
}

type Degraded = Response<Full<Bytes>>;
type Fallback = FallbackLayer<Kept, Degraded, Http, fn(&Ask) -> Kept>;

/// The degraded answers of each upstream.
fn fallback(upstream: Upstream, prices: &Prices) -> Result<Fallback, ConfigError> {
    let builder = FallbackLayer::builder()
        .name(upstream.name())
        .protocol(Http::new())
        .keep(Kept::of as fn(&Ask) -> Kept);
    let builder = match upstream {
        Upstream::Recommendations => {
            builder.value("trending", |_, _| answer(&json!({ "trending": ["mug", "jug"] })))
        }
        Upstream::Search => {
            builder.value("categories", |_, _| answer(&json!({ "categories": ["tea", "pots"] })))
        }
        Upstream::Profile => builder.value("from-token", |kept: &Kept, _: &Failure<'_>| {
            answer(&json!({ "name": shop::user(kept.token.as_ref()) }))
        }),
        Upstream::Pricing => {
            let prices = prices.clone();
            let last_known = move |kept: &Kept, _: &Failure<'_>| {
                let price = prices.last_known(kept.subject());
                async move { price.ok_or_else(|| "it was never known".into()) }
            };
            // For a product that nobody has looked at before.
            let on_request = |_: &Kept, _: &Failure<'_>| answer(&json!({ "on_request": true }));
            builder.respond_with("last-known", last_known).value("on-request", on_request)
        }
        Upstream::Images => {
            builder.value("placeholder", |_, _| answer(&json!({ "placeholder": "/grey.svg" })))
        }
    };
    builder.build()
}

fn answer(content: &Value) -> Degraded {
    Response::new(Full::from(content.to_string()))
}

/// The last price seen of each product. As many as there are products.
#[derive(Clone, Default)]
struct Prices(Arc<Mutex<HashMap<String, Bytes>>>);

impl Prices {
    fn learn(&self, product: &str, price: &Bytes) {
        let mut prices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prices.insert(product.to_owned(), price.clone());
    }

    fn last_known(&self, product: &str) -> Option<Degraded> {
        let prices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prices.get(product).map(|price| Response::new(Full::new(price.clone())))
    }
}
