//! Which requests may be sent twice.

/// Answers whether a request may be sent twice, and gives the copy to send.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot repeat a request of type `{Req}`",
    note = "`Plain` repeats requests that are `Clone`; `Http` of buttress-http repeats \
            `http::Request<B>` where `B: Body + Default + 'static`"
)]
pub trait Repeat<Req> {
    /// A copy of `request` to send later, or `None` if it must or can not be sent twice.
    ///
    /// Asked before each attempt that another may follow, so a copy should be cheap.
    fn repeat(&self, request: &Req) -> Option<Repeated<Req>>;
}

/// A copy of a request, and when it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated<Req> {
    /// The copy.
    pub request: Req,
    /// When it may be sent.
    pub when: Repeatability,
}

/// When a copy of a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeatability {
    /// Whenever another attempt may help: a second execution does no harm.
    Always,
    /// Only after a failure that proves that the first was not executed.
    OnlyUnsent,
}
