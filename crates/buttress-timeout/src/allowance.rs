//! How long a request may take.

use std::time::Duration;

use buttress_core::Deadline;
use tokio::time::Instant;

/// Says how long a request may take in all; `None` leaves it to the layer's `overall`.
///
/// A closure is one:
///
/// ```
/// use std::time::Duration;
/// use buttress_timeout::Allowance;
///
/// let by_method = |request: &http::Request<()>| match *request.method() {
///     http::Method::GET => Some(Duration::from_secs(10)),
///     http::Method::POST => Some(Duration::from_secs(30)),
///     _ => None,
/// };
/// assert_eq!(by_method.allow(&http::Request::new(())), Some(Duration::from_secs(10)));
/// ```
pub trait Allowance<Req> {
    /// The time that this request is allowed.
    fn allow(&self, request: &Req) -> Option<Duration>;
}

impl<Req, F> Allowance<Req> for F
where
    F: Fn(&Req) -> Option<Duration>,
{
    fn allow(&self, request: &Req) -> Option<Duration> {
        self(request)
    }
}

/// The allowance that makes no difference between requests: the layer's `overall` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed;

impl<Req> Allowance<Req> for Fixed {
    fn allow(&self, _request: &Req) -> Option<Duration> {
        None
    }
}

/// What bounds one call: the deadline that holds, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// When the call is cut.
    pub(crate) deadline: Deadline,
    /// The layer's own limit, if it is what cuts; else the ambient deadline is sooner.
    pub(crate) limit: Option<Duration>,
}

/// Where a call stands before it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing bounds it.
    Unbounded,
    /// It may begin, within these bounds.
    Bounded(Bounds),
    /// Its time is up already.
    TooLate,
}

/// Merges the layer's own limit with the ambient deadline: the sooner holds.
pub(crate) fn start(limit: Option<Duration>, ambient: Option<Deadline>, now: Instant) -> Start {
    let own = limit.map(|limit| Deadline::after_instant(now, limit));
    let Some(deadline) = Deadline::sooner(own, ambient) else { return Start::Unbounded };
    if deadline.is_past_at(now) {
        return Start::TooLate;
    }
    let limit = if own == Some(deadline) { limit } else { None };
    Start::Bounded(Bounds { deadline, limit })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A child's deadline is never later than its parent's, nor than its own limit.
        #[test]
        fn the_sooner_deadline_holds(limit: Option<Duration>, ambient: Option<u32>) {
            let now = Instant::now();
            let ambient = ambient
                .map(|millis| Deadline::after_instant(now, Duration::from_millis(millis.into())));
            match start(limit, ambient, now) {
                Start::Unbounded => prop_assert!(limit.is_none() && ambient.is_none()),
                Start::TooLate => prop_assert!(
                    limit == Some(Duration::ZERO) || ambient.is_some_and(|a| a.is_past_at(now))
                ),
                Start::Bounded(bounds) => {
                    prop_assert!(!bounds.deadline.is_past_at(now));
                    prop_assert!(ambient.is_none_or(|ambient| bounds.deadline <= ambient));
                    let own = limit.map(|limit| Deadline::after_instant(now, limit));
                    prop_assert!(own.is_none_or(|own| bounds.deadline <= own));
                    prop_assert_eq!(bounds.limit.is_some(), own == Some(bounds.deadline));
                }
            }
        }
    }
}
