//! Which circuit a call belongs to.

use std::{fmt, sync::Arc};

use buttress_core::Striped;

use crate::{BreakerHandle, hold::Hold, shared::Shared};

/// Says which circuit a request belongs to.
///
/// There is [one for all](OneCircuit), or, with the feature `keyed`, one for each key.
pub trait Circuits<Req>: Sealed {
    /// The circuit that this request belongs to.
    fn circuit(&self, request: &Req) -> BreakerHandle;
}

/// There is no way to give a layer other ones, so nobody else is to implement them.
pub trait Sealed {}

/// One circuit for all requests: the default.
#[derive(Clone)]
pub struct OneCircuit {
    circuit: Striped<Hold, Hold>,
}

impl OneCircuit {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { circuit: Striped::new(Hold::Itself(shared)) }
    }

    /// The circuit, for one who is not a call.
    pub(crate) fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(self.circuit.shared()))
    }
}

impl Sealed for OneCircuit {}

impl<Req> Circuits<Req> for OneCircuit {
    #[inline]
    fn circuit(&self, _request: &Req) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(self.circuit.mine()))
    }
}

impl fmt::Debug for OneCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.circuit.shared().shared().fmt(f)
    }
}
