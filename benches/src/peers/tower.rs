//! tower's own: a timeout, a retry and a limit of concurrency.
//!
//! Its limit is over when the head of a response has come, its timeout too. Its retry knows no backoff but what
//! its policy brings: this one waits for nothing, and counts attempts as the other libraries do.

use std::{
    future::{Ready, ready},
    sync::Arc,
    time::Duration,
};

use tower::{
    Layer,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
    load_shed::LoadShed,
    retry::{
        Policy, Retry,
        budget::{Budget as _, TpsBudget},
    },
    timeout::{Timeout, TimeoutLayer},
};

use super::{ATTEMPTS, LIMIT, PLACES};

/// The three, in the order of ours.
pub type Stacked<S> = Timeout<Retry<Attempts, ConcurrencyLimit<S>>>;

/// Tries again what failed, as often as is left, and as the budget has it if there is one.
#[derive(Debug, Clone)]
pub struct Attempts {
    left: u32,
    budget: Option<Arc<TpsBudget>>,
}

impl<Req: Clone, Res, E> Policy<Req, Res, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _request: &mut Req, result: &mut Result<Res, E>) -> Option<Ready<()>> {
        match (result, &self.budget) {
            (Ok(_), Some(budget)) => {
                budget.deposit();
                None
            }
            (Ok(_), None) => None,
            (Err(_), budget) => {
                self.left = self.left.checked_sub(1)?;
                budget.as_ref().is_none_or(|budget| budget.withdraw()).then(|| ready(()))
            }
        }
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

/// A timeout of this length.
pub fn timeout<S>(limit: Duration, inner: S) -> Timeout<S> {
    TimeoutLayer::new(limit).layer(inner)
}

/// Without a budget.
pub fn retry_without_budget<S>(inner: S) -> Retry<Attempts, S> {
    Retry::new(Attempts { left: ATTEMPTS - 1, budget: None }, inner)
}

/// With a budget of a fifth of the calls and ten a second, as ours has by default.
pub fn retry<S>(inner: S) -> Retry<Attempts, S> {
    let budget = TpsBudget::new(Duration::from_secs(10), 10, 0.2);
    Retry::new(Attempts { left: ATTEMPTS - 1, budget: Some(Arc::new(budget)) }, inner)
}

/// With a budget from which nothing can be had.
pub fn retry_when_broke<S>(inner: S) -> Retry<Attempts, S> {
    let budget = TpsBudget::new(Duration::from_secs(10), 0, 0.0);
    Retry::new(Attempts { left: ATTEMPTS - 1, budget: Some(Arc::new(budget)) }, inner)
}

/// As global as the others are.
pub fn bulkhead<S>(places: usize, inner: S) -> ConcurrencyLimit<S> {
    GlobalConcurrencyLimitLayer::new(places).layer(inner)
}

/// The limit refuses nothing by itself: it has tower's load shedding around it.
pub fn bulkhead_that_refuses<S>(places: usize, inner: S) -> LoadShed<ConcurrencyLimit<S>> {
    LoadShed::new(bulkhead(places, inner))
}

/// All three, with the budget, as ours have it.
pub fn stacked<S>(inner: S) -> Stacked<S> {
    timeout(LIMIT, retry(bulkhead(PLACES, inner)))
}
