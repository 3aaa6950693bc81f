//! What a call holds of its circuit.

use std::sync::Arc;

use crate::shared::Shared;

/// What a call holds of its circuit: the circuit itself, or, where many call it, a stripe of it. See
/// [`Striped`](buttress_core::Striped).
// A stripe is as large as a circuit, so no two counts share a cache line.
#[expect(clippy::large_enum_variant, reason = "its size keeps the counts apart")]
pub(crate) enum Hold {
    Itself(Shared),
    Stripe(Arc<Hold>),
}

impl Hold {
    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        let mut hold = self;
        loop {
            match hold {
                Self::Itself(shared) => return shared,
                Self::Stripe(circuit) => hold = circuit,
            }
        }
    }
}

impl From<Arc<Hold>> for Hold {
    fn from(circuit: Arc<Hold>) -> Self {
        Self::Stripe(circuit)
    }
}
