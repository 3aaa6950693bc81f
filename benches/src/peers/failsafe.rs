//! failsafe's breaker, which wraps futures and not services: it is given the service's own.

use std::pin::pin;

use failsafe::futures::CircuitBreaker as _;
use tower::Service;

use super::{FAILURES, OPEN_FOR};
use crate::{
    call::{end_of, make_ready},
    inner::Adds,
};

/// By failures in a row, as ours.
pub fn breaker() -> impl FnMut(u64) -> Option<u64> + Clone + Send + 'static {
    let policy = failsafe::failure_policy::consecutive_failures(
        FAILURES,
        failsafe::backoff::constant(OPEN_FOR),
    );
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    move |n| {
        make_ready(&mut Adds);
        end_of(pin!(breaker.call(Adds.call(n)))).ok()
    }
}

/// `size_of` its future over one of eight bytes.
pub fn size_of_future() -> usize {
    let breaker = failsafe::Config::new().build();
    let eight = crate::inner::EightBytes.call(1);
    size_of_val(&breaker.call(eight))
}
