//! What holds for one request alone.

use std::fmt;

use crate::RetryBudget;

/// What holds for one request in place of the layer's own settings.
///
/// ```
/// use buttress_retry::Terms;
///
/// let once = Terms::new().max_attempts(1);
/// # let _ = once;
/// ```
#[derive(Clone, Default)]
pub struct Terms {
    pub(crate) max_attempts: Option<u32>,
    pub(crate) budget: Option<RetryBudget>,
}

impl Terms {
    /// The layer's own settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many attempts in all, the first included; what lies outside 1 to 100 is taken
    /// for the nearer of the two. Default: the layer's.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Attempts after the first are paid for out of this budget, and it earns if the first
    /// succeeds. Default: the layer's.
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("max_attempts", &self.max_attempts)
            .field("budget", &self.budget)
            .finish()
    }
}

/// Says what holds for a request; a closure is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say on what terms a request of type `{Req}` is repeated",
    note = "`.per_request(…)` takes a closure from `&{Req}` to `Terms`"
)]
pub trait PerRequest<Req> {
    /// The terms of this request.
    fn terms(&self, request: &Req) -> Terms;
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<Req, F> PerRequest<Req> for F
where
    F: Fn(&Req) -> Terms,
{
    fn terms(&self, request: &Req) -> Terms {
        self(request)
    }
}

/// The same for all requests: the layer's own settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uniform;

impl<Req> PerRequest<Req> for Uniform {
    fn terms(&self, _request: &Req) -> Terms {
        Terms::new()
    }
}
