//! tower-resilience's five.
//!
//! Each boxes the future of its call and clones its inner service for it. Its metrics and logs are features,
//! which are off. It follows no body, and passes no deadline on.

use std::time::Duration;

use tower::{Layer, Service};
use tower_resilience_bulkhead::{Bulkhead, BulkheadLayer, BulkheadServiceError};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};
use tower_resilience_fallback::FallbackLayer;
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer};
use tower_resilience_timelimiter::{TimeLimiter, TimeLimiterLayer};

use super::{ATTEMPTS, FAILURES, LIMIT, OPEN_FOR, PLACES};
use crate::inner::{Down, Inner};

/// A limit that drops the call when it is over, as the others do; the default.
pub fn timeout<S>(
    limit: Duration,
    inner: S,
) -> TimeLimiter<S, tower_resilience_timelimiter::FixedTimeout> {
    TimeLimiterLayer::builder()
        .timeout_duration(limit)
        .cancel_running_future(true)
        .build()
        .layer(inner)
}

/// Without a budget, its default.
pub fn retry<S, Req, E>(
    inner: S,
) -> impl Service<Req, Response = S::Response, Error = E, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<Req, Response: Send + Sync + 'static, Error = E, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    Req: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    RetryLayer::<Req, S::Response, E>::builder()
        .max_attempts(ATTEMPTS as usize)
        .build()
        .layer(inner)
}

/// With its bucket of tokens, into which a success puts one.
pub fn retry_with_budget<S, Req, E>(
    tokens_per_second: f64,
    tokens: usize,
    inner: S,
) -> impl Service<Req, Response = S::Response, Error = E, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<Req, Response: Send + Sync + 'static, Error = E, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    Req: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    let budget = RetryBudgetBuilder::new()
        .token_bucket()
        .tokens_per_second(tokens_per_second)
        .max_tokens(tokens.max(1))
        .initial_tokens(tokens)
        .build();
    RetryLayer::<Req, S::Response, E>::builder()
        .max_attempts(ATTEMPTS as usize)
        .budget(budget.expect("valid"))
        .build()
        .layer(inner)
}

/// By failures in a row, as ours.
pub fn breaker<S, Req, E>(
    inner: S,
) -> impl Service<Req, Response = S::Response, Error = CircuitBreakerError<E>, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Req, Response: Send + 'static, Error = E, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    Req: Send + 'static,
    E: Send + 'static,
{
    let layer = CircuitBreakerLayer::builder()
        .consecutive_failures(FAILURES as usize)
        .wait_duration_in_open(OPEN_FOR);
    layer.build().expect("valid").layer(inner)
}

/// One that waits for nothing.
pub fn bulkhead<S>(places: usize, inner: S) -> Bulkhead<S> {
    let layer = BulkheadLayer::builder().max_concurrent_calls(places).reject_when_full();
    layer.build().expect("valid").layer(inner)
}

/// To this constant.
pub fn fallback<S, Req, E>(
    value: S::Response,
    inner: S,
) -> impl Service<Req, Response = S::Response, Future: Send, Error: Send> + Clone + Send + Sync + 'static
where
    S: Service<Req, Response: Clone + Send + Sync + 'static, Error = E, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    Req: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    FallbackLayer::<Req, S::Response, E>::value(value).layer(inner)
}

/// What leaves the breaker when it is stacked.
type Inside = CircuitBreakerError<BulkheadServiceError<Down>>;

/// All five, in the order of ours, and with a budget as ours.
pub fn stacked<S, Req>(
    value: S::Response,
    inner: S,
) -> impl Service<Req, Response = S::Response, Future: Send, Error: Send> + Clone + Send + Sync + 'static
where
    S: Inner<Req>,
    Req: Clone + Send + Sync + 'static,
{
    let inside = breaker(bulkhead(PLACES, inner));
    fallback(value, timeout(LIMIT, retry_with_budget::<_, Req, Inside>(10.0, 100, inside)))
}
