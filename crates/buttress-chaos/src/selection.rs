//! Which requests may be struck.

/// Says which requests the faults of a layer may strike.
///
/// A closure is one:
///
/// ```
/// use buttress_chaos::Selection;
///
/// let payments = |request: &http::Request<()>| request.uri().path().starts_with("/pay/");
/// assert!(!payments.selects(&http::Request::new(())));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which requests of type `{Req}` are struck",
    note = "`.only(…)` takes a closure from `&{Req}` to a `bool`"
)]
pub trait Selection<Req> {
    /// Whether this request may be struck.
    fn selects(&self, request: &Req) -> bool;
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<Req, F> Selection<Req> for F
where
    F: Fn(&Req) -> bool,
{
    fn selects(&self, request: &Req) -> bool {
        self(request)
    }
}

/// The selection that makes no difference between requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct All;

impl<Req> Selection<Req> for All {
    fn selects(&self, _request: &Req) -> bool {
        true
    }
}
