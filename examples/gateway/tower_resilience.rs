//! The same gateway with the layers of tower-resilience, to measure beside ours.
//!
//! Equal are the limits of time on a connection, an attempt and a call, three attempts by the same backoff of what
//! may be repeated and of the same statuses, a budget, a breaker that goes by five failures in a row, and a
//! bulkhead that refuses at once. The body that can be sent twice is ours, for it has none; so are the proxy around
//! the layers and the client inside.
//!
//! What it does not do, and so need not pay for: each of its layers is done when the head of a response is there,
//! so that a body is under no limit, holds no place in the bulkhead, and is not judged by the breaker. No deadline
//! is taken from a client, passed on to an upstream, or known to a layer within another. Its backoff has no jitter,
//! and heeds no `Retry-After`. Its budget takes a whole token from each success, ours a fifth; a refusal of its
//! bulkhead is a success to its breaker. Its metrics and logs are features, which are off; ours tell `tracing`,
//! where nobody listens.

use std::{collections::HashMap, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use buttress::{http::ReplayBody, prelude::*};
use hyper::{Request, Response, StatusCode, body::Incoming, http::uri::Authority};
use hyper_util::client::legacy::{Error as ClientError, connect::HttpConnector};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_bulkhead::{BulkheadLayer, BulkheadServiceError};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, FnClassifier};
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer};
use tower_resilience_timelimiter::{FixedTimeout, TimeLimiter, TimeLimiterError, TimeLimiterLayer};

use crate::proxy::{
    Settings,
    fields::Peer,
    pass::{self, Answer},
    route::{Route, Routes, Speaks},
    server,
    upstream::{self, Client},
};

type Attempted = BulkheadServiceError<TimeLimiterError<ClientError>>;
type Guarded = CircuitBreakerError<Attempted>;
type Called = TimeLimiterError<Guarded>;
type Judge = fn(&Result<Response<Incoming>, Attempted>) -> bool;
type Connector = TimeLimiter<HttpConnector, FixedTimeout>;

/// Attempts at a request that may be repeated, as ours makes them by default.
const ATTEMPTS: usize = 3;
/// The wait after the first, which doubles.
const BACKOFF: Duration = Duration::from_millis(100);
/// The burst of the budget, and what it gets in a second.
const BURST: usize = 10;
const PER_SECOND: f64 = 1.0;
const FAILURES: usize = 5;

/// Serves until `stop` is ready, and then until what is in flight is over.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Vec<Route>,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), BoxError> {
    let routes = stacks(routes, &settings)?;
    server::serve(listener, |peer| service(&routes, peer), stop, &settings).await;
    Ok(())
}

/// What the routes to one host share.
struct Host {
    breaker: CircuitBreakerLayer<FnClassifier<Judge>>,
    bulkhead: BulkheadLayer,
    clients: [Client<Connector, ReplayBody>; 2],
}

impl Host {
    fn new(settings: &Settings) -> Result<Self, BoxError> {
        // Only what is built with a handle is shared by what its layer makes.
        let (breaker, _) = CircuitBreakerLayer::builder()
            .consecutive_failures(FAILURES)
            .wait_duration_in_open(settings.open_for)
            .permitted_calls_in_half_open(1)
            .failure_classifier(is_failure as Judge)
            .build_with_handle()?;
        let (bulkhead, _) = BulkheadLayer::builder()
            .max_concurrent_calls(settings.max_concurrent)
            .reject_when_full()
            .build_with_handle()?;
        let connector = within(settings.connect).layer(upstream::connector());
        let client = |speaks| Client::new(speaks, settings, connector.clone());
        Ok(Self { breaker, bulkhead, clients: [client(Speaks::H1), client(Speaks::H2)] })
    }
}

fn within(limit: Duration) -> TimeLimiterLayer<FixedTimeout> {
    TimeLimiterLayer::builder().timeout_duration(limit).cancel_running_future(true).build()
}

/// The statuses that ours goes by.
fn is_unavailable(response: &Response<Incoming>) -> bool {
    matches!(response.status().as_u16(), 502..=504)
}

fn is_failure(result: &Result<Response<Incoming>, Attempted>) -> bool {
    result.as_ref().map_or_else(BulkheadServiceError::is_inner, is_unavailable)
}

/// A refusal is not repeated.
fn is_to_be_repeated(error: &Guarded) -> bool {
    matches!(error, CircuitBreakerError::Inner(BulkheadServiceError::Inner(_)))
}

/// A stack for each route.
#[expect(clippy::type_complexity, reason = "what has no name is said by what it does")]
fn stacks(
    routes: Vec<Route>,
    settings: &Settings,
) -> Result<
    Arc<
        Routes<
            impl Service<Request<Incoming>, Response = Response<Incoming>, Error = Called, Future: Send>
            + Clone
            + Send
            + Sync
            + use<>,
        >,
    >,
    BoxError,
> {
    let mut hosts: HashMap<Authority, Host> = HashMap::new();
    let mut stacks = Vec::with_capacity(routes.len());
    for route in routes {
        let authority = &route.upstream.authority;
        if !hosts.contains_key(authority) {
            hosts.insert(authority.clone(), Host::new(settings)?);
        }
        let host = &hosts[authority];
        let budget = RetryBudgetBuilder::new()
            .token_bucket()
            .tokens_per_second(PER_SECOND)
            .max_tokens(BURST)
            .initial_tokens(BURST)
            .build()?;
        let retry = RetryLayer::<Request<ReplayBody>, Response<Incoming>, Guarded>::builder()
            .max_attempts_fn(|request| if request.method().is_idempotent() { ATTEMPTS } else { 1 })
            .exponential_backoff(BACKOFF)
            .retry_on(is_to_be_repeated)
            .retry_on_response(is_unavailable)
            .budget(budget)
            .build();
        let [h1, h2] = &host.clients;
        let client = match route.upstream.speaks {
            Speaks::H1 => h1.clone(),
            Speaks::H2 => h2.clone(),
        };
        let stack = ServiceBuilder::new()
            .layer(within(settings.overall))
            .layer(ReplayBodyLayer::new())
            .layer(retry)
            .layer(host.breaker.clone())
            .layer(host.bulkhead.clone())
            .layer(within(settings.attempt))
            .service(client);
        stacks.push((route, stack));
    }
    Ok(Arc::new(Routes::new(stacks)))
}

/// What serves the connection of this peer.
fn service<S>(
    routes: &Arc<Routes<S>>,
    peer: SocketAddr,
) -> impl Service<Request<Incoming>, Response = Answer<Incoming>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<S>
where
    S: Service<Request<Incoming>, Response = Response<Incoming>, Error = Called, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let service = pass::service(routes, Peer::new(peer));
    service_fn(move |request| {
        let call = service.clone().oneshot(request);
        async move { Ok(call.await.unwrap_or_else(|error| pass::answer(status(&error)))) }
    })
}

/// What ours answers to the like.
fn status(error: &Called) -> StatusCode {
    let Called::Inner(error) = error else { return StatusCode::GATEWAY_TIMEOUT };
    match error {
        Guarded::OpenCircuit | Guarded::Inner(Attempted::Bulkhead(_)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Guarded::Inner(Attempted::Inner(TimeLimiterError::Timeout)) => StatusCode::GATEWAY_TIMEOUT,
        Guarded::Inner(Attempted::Inner(TimeLimiterError::Inner(_))) => StatusCode::BAD_GATEWAY,
    }
}
