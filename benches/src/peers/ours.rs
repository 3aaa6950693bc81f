//! Ours, at their defaults where nothing else is said.

use std::time::Duration;

use buttress::{
    breaker::Breaker,
    bulkhead::Bulkhead,
    fallback::{Failure, Fallback},
    prelude::*,
    retry::JitteredRetry,
    timeout::Timeout,
};
use tokio::time::Instant;
use tower::Layer;

use super::{ATTEMPTS, FAILURES, LIMIT, OPEN_FOR, PLACES};

/// All five, as the facade recommends to stack them.
pub type Stacked<S> = Fallback<Timeout<JitteredRetry<Breaker<Bulkhead<S>>>>, (), u64>;

/// A timeout of this length.
pub fn timeout<S>(limit: Duration, inner: S) -> Timeout<S> {
    TimeoutLayer::new(limit).expect("valid").layer(inner)
}

/// With the budget that it has by default.
pub fn retry<S: Clone>(inner: S) -> JitteredRetry<S> {
    JitteredRetryLayer::new(ATTEMPTS).expect("valid").layer(inner)
}

/// As tower's where its policy has none.
pub fn retry_without_budget<S: Clone>(inner: S) -> JitteredRetry<S> {
    let layer = JitteredRetryLayer::builder().max_attempts(ATTEMPTS).no_budget();
    layer.build().expect("valid").layer(inner)
}

/// With a budget from which nothing can be had.
pub fn retry_when_broke<S: Clone>(inner: S) -> JitteredRetry<S> {
    let budget = RetryBudget::builder().ratio(0.0).min_per_second(0.0).burst(1);
    let budget = budget.build().expect("valid");
    budget.withdraw(Instant::now()).expect("it begins with one").spend();
    let layer = JitteredRetryLayer::builder().max_attempts(ATTEMPTS).budget(budget);
    layer.build().expect("valid").layer(inner)
}

/// By failures in a row, the default.
pub fn breaker<S>(inner: S) -> Breaker<S> {
    let layer = BreakerLayer::builder().consecutive_failures(FAILURES).open_for(OPEN_FOR);
    layer.build().expect("valid").layer(inner)
}

/// As those of the peers that go by a rate.
pub fn breaker_by_rate<S>(window: Window, inner: S) -> Breaker<S> {
    let layer = BreakerLayer::builder().failure_rate(0.5).window(window).open_for(OPEN_FOR);
    layer.build().expect("valid").layer(inner)
}

/// With so many places and no queue, the default.
pub fn bulkhead<S>(places: usize, inner: S) -> Bulkhead<S> {
    BulkheadLayer::new(places).expect("valid").layer(inner)
}

/// To the constant 0.
pub fn fallback<S>(inner: S) -> Fallback<S, (), u64> {
    let zero = |_: &(), _: &Failure<'_>| 0;
    FallbackLayer::builder().value("zero", zero).build().expect("valid").layer(inner)
}

/// All five.
pub fn stacked<S: Clone>(inner: S) -> Stacked<S> {
    fallback(timeout(LIMIT, retry(breaker(bulkhead(PLACES, inner)))))
}
