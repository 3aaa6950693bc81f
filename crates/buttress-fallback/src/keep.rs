//! What of the request the tiers get to see.

/// Keeps of a request what the tiers of a fallback need, before the call takes the request away.
///
/// What is kept is called the view. It is taken on every call, also on those that go well: keep
/// little, and keep it cheap to copy. A closure is one:
///
/// ```
/// use buttress_fallback::Keep;
///
/// let path = |request: &http::Request<()>| request.uri().clone();
/// assert_eq!(path.keep(&http::Request::new(())).path(), "/");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no view of a request of type `{Req}`",
    note = "the builder's `.keep(…)` takes a closure from `&{Req}` to an owned value"
)]
pub trait Keep<Req> {
    /// What the tiers see in place of the request.
    type View;

    /// What is kept of this request.
    fn keep(&self, request: &Req) -> Self::View;
}

impl<Req, V, F> Keep<Req> for F
where
    F: Fn(&Req) -> V,
{
    type View = V;

    fn keep(&self, request: &Req) -> V {
        self(request)
    }
}

/// Keeps nothing: the tiers answer without knowing the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing;

impl<Req> Keep<Req> for Nothing {
    type View = ();

    fn keep(&self, _request: &Req) {}
}
