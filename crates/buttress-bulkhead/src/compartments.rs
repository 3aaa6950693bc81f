//! Which compartment a call belongs to.

use std::{fmt, sync::Arc};

use buttress_core::BoxError;

use crate::{BulkheadHandle, shared::Shared};

/// Says which compartment a request belongs to.
///
/// There is [one for all](OneCompartment), or one for each of a set of
/// [names](crate::NamedCompartments), or, with the feature `keyed`, one for each key.
pub trait Compartments<Req>: Sealed {
    /// The compartment that this request belongs to.
    ///
    /// # Errors
    ///
    /// The rejection of one that belongs to none.
    fn compartment(&self, request: &Req) -> Result<BulkheadHandle, BoxError>;
}

/// There is no way to give a layer other ones, so nobody else is to implement them.
pub trait Sealed {}

/// One compartment for all requests: the default.
#[derive(Clone)]
pub struct OneCompartment {
    compartment: BulkheadHandle,
}

impl OneCompartment {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { compartment: BulkheadHandle::new(Arc::new(shared)) }
    }

    pub(crate) fn handle(&self) -> BulkheadHandle {
        self.compartment.clone()
    }
}

impl Sealed for OneCompartment {}

impl<Req> Compartments<Req> for OneCompartment {
    #[inline]
    fn compartment(&self, _request: &Req) -> Result<BulkheadHandle, BoxError> {
        Ok(self.handle())
    }
}

impl fmt::Debug for OneCompartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compartment.shared().fmt(f)
    }
}
