//! What of the request the tiers get to see.

use std::{any, fmt, marker::PhantomData};

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

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<Req, V, F> Keep<Req> for F
where
    F: Fn(&Req) -> V,
{
    type View = V;

    fn keep(&self, request: &Req) -> V {
        self(request)
    }
}

/// Keeps what `V` makes of a request; by [`keep_as`](crate::FallbackLayerBuilder::keep_as).
///
/// In place of a closure, so that the layer has a type that can be named.
pub struct KeepAs<V> {
    view: PhantomData<fn() -> V>,
}

impl<V> KeepAs<V> {
    pub(crate) const fn new() -> Self {
        Self { view: PhantomData }
    }
}

impl<Req, V> Keep<Req> for KeepAs<V>
where
    V: for<'a> From<&'a Req>,
{
    type View = V;

    fn keep(&self, request: &Req) -> V {
        V::from(request)
    }
}

impl<V> Clone for KeepAs<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for KeepAs<V> {}

impl<V> fmt::Debug for KeepAs<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeepAs<{}>", any::type_name::<V>())
    }
}

/// Keeps nothing: the tiers answer without knowing the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing;

impl<Req> Keep<Req> for Nothing {
    type View = ();

    fn keep(&self, _request: &Req) {}
}
