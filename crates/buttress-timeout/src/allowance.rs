//! How long a request may take.

use std::time::Duration;

/// Says how long a request may take in all; `None` leaves it to the layer's `overall`, and
/// `Some(Duration::MAX)` is no limit at all, whatever `overall` is.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how long a request of type `{Req}` may take",
    note = "`.per_request(…)` takes a closure from `&{Req}` to an `Option<Duration>`"
)]
pub trait Allowance<Req> {
    /// The time that this request is allowed.
    fn allow(&self, request: &Req) -> Option<Duration>;
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
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
