//! An answer that is not the one that was asked for, and says so.

use std::sync::Arc;

/// The mark on an answer that a fallback served.
///
/// Under HTTP it is in the response's extensions, and its tier in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Degraded {
    /// The name of the fallback layer.
    pub layer: Arc<str>,
    /// The tier that served.
    pub tier: Arc<str>,
}

impl Degraded {
    /// The mark of this tier of this layer.
    pub fn new(layer: Arc<str>, tier: Arc<str>) -> Self {
        Self { layer, tier }
    }
}

/// Lets an alternative answer stand where the original would have stood.
///
/// The two may be of different types, as long as the protocol can make one of them: `Plain`
/// wants the same type, `Http` takes two bodies of different types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot let a `{Alt}` stand in for a `{Res}`",
    note = "under `Plain` a fallback answers with the service's own response type; under `Http` \
            of buttress-http with an `http::Response` whose body has the same data type"
)]
pub trait Substitute<Res, Alt> {
    /// What the caller gets in either case.
    type Response;

    /// The original, passed through unchanged.
    fn original(&self, response: Res) -> Self::Response;

    /// The alternative, marked as degraded where the protocol has a place for the mark.
    fn substitute(&self, alternative: Alt, degraded: Degraded) -> Self::Response;
}
