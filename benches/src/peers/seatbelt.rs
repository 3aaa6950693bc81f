//! seatbelt's four, as tower services.
//!
//! Each boxes the future of its call. Its metrics and logs are features, which are off. It asks for a clock
//! that a runtime drives, and for what is to be tried again; it has no bulkhead.

use std::time::Duration;

use seatbelt::{
    RecoveryInfo, ResilienceContext, breaker::Breaker, fallback::Fallback, retry::Retry,
    timeout::Timeout,
};
use tick::Clock;
use tower::Layer;

use super::{ATTEMPTS, LIMIT, OPEN_FOR};
use crate::inner::{Down, Inner};

fn context<Req, Res>() -> ResilienceContext<Req, Result<Res, Down>> {
    ResilienceContext::new(Clock::new_tokio())
}

fn recovery<Res>(result: &Result<Res, Down>) -> RecoveryInfo {
    match result {
        Ok(_) => RecoveryInfo::never(),
        Err(_) => RecoveryInfo::retry(),
    }
}

/// A timeout of this length.
pub fn timeout<S, Req>(limit: Duration, inner: S) -> impl Inner<Req, Response = S::Response>
where
    S: Inner<Req>,
    Req: Send + 'static,
{
    Timeout::layer("timeout", &context()).timeout_error(|_| Down).timeout(limit).layer(inner)
}

/// It has no budget.
pub fn retry<S, Req>(inner: S) -> impl Inner<Req, Response = S::Response>
where
    S: Inner<Req>,
    Req: Clone + Send + 'static,
{
    Retry::layer("retry", &context())
        .clone_input()
        .recovery_with(|result, _| recovery(result))
        .max_retry_attempts(ATTEMPTS - 1)
        .layer(inner)
}

/// By its rate: it counts none in a row.
pub fn breaker<S, Req>(inner: S) -> impl Inner<Req, Response = S::Response>
where
    S: Inner<Req>,
    Req: Send + 'static,
{
    Breaker::layer("breaker", &context())
        .recovery_with(|result, _| recovery(result))
        .rejected_input_error(|_, _| Down)
        .break_duration(OPEN_FOR)
        .layer(inner)
}

/// To this constant, for what is an error.
pub fn fallback<S, Req>(value: S::Response, inner: S) -> impl Inner<Req, Response = S::Response>
where
    S: Inner<Req>,
    Req: Send + 'static,
{
    Fallback::layer("fallback", &context())
        .should_fallback(|result: &Result<S::Response, Down>| result.is_err())
        .fallback(move |_, _| Ok(value.clone()))
        .layer(inner)
}

/// The four, in the order of ours.
pub fn stacked<S, Req>(value: S::Response, inner: S) -> impl Inner<Req, Response = S::Response>
where
    S: Inner<Req>,
    Req: Clone + Send + 'static,
{
    fallback(value, timeout(LIMIT, retry(breaker(inner))))
}
