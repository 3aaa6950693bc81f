//! An answer that is not the one that was asked for, and says so.

use std::{error::Error, sync::Arc, time::Duration};

use crate::BoxError;

/// The mark on an answer that a fallback served.
///
/// Under HTTP it is in the response's extensions, and tier and age in headers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Degraded {
    /// The name of the fallback layer.
    pub layer: Arc<str>,
    /// The tier that served.
    pub tier: Arc<str>,
    /// The error that it stands in for; none if the call ended with a failed response.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
    /// How old the answer is, if it was remembered; none if it was made for this call.
    pub age: Option<Duration>,
}

impl Degraded {
    /// The mark of this tier of this layer.
    pub fn new(layer: Arc<str>, tier: Arc<str>) -> Self {
        Self { layer, tier, cause: None, age: None }
    }

    /// The same mark, of an answer that stands in for this error.
    pub fn caused_by(mut self, error: BoxError) -> Self {
        self.cause = Some(error.into());
        self
    }

    /// The same mark, of an answer that is so old.
    pub fn aged(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }
}
