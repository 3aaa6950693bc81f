//! What an operator holds.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{Faults, layer::Shared};

/// Switches the faults of a layer while it runs; made by
/// [`ChaosLayer::handle`](crate::ChaosLayer::handle).
///
/// Clones switch the same layer. A change holds for calls that are made after it; those that
/// were struck before stay struck.
#[derive(Clone)]
pub struct ChaosHandle {
    shared: Arc<Shared>,
}

impl ChaosHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Puts these faults in force, in place of the former; not in a layer that is
    /// [disabled](crate::ChaosLayer::disabled).
    pub fn set(&self, faults: Faults) {
        self.shared.switch.set(faults);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.set(Faults::none());
    }

    /// The faults that are in force.
    pub fn faults(&self) -> Faults {
        self.shared.switch.get()
    }
}

impl fmt::Debug for ChaosHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChaosHandle").field(&self.faults()).finish()
    }
}

/// The faults in force, cheap to ask for while there are none.
pub(crate) struct Switch {
    on: AtomicBool,
    faults: Mutex<Faults>,
    /// Whether it is not to be switched.
    stays_off: bool,
}

impl Switch {
    pub(crate) fn new(faults: Faults) -> Self {
        let on = AtomicBool::new(!faults.is_none());
        Self { on, faults: Mutex::new(faults), stays_off: false }
    }

    /// No faults, ever.
    pub(crate) fn off() -> Self {
        Self { stays_off: true, ..Self::new(Faults::none()) }
    }

    fn set(&self, faults: Faults) {
        if self.stays_off {
            return;
        }
        let mut current = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *current = faults;
        // Under the lock, so that of two changes the later one sets both. Relaxed: who sees it
        // takes the lock before it reads the faults.
        self.on.store(!faults.is_none(), Ordering::Relaxed);
    }

    fn get(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults in force, or `None` if there are none.
    pub(crate) fn in_force(&self) -> Option<Faults> {
        self.on.load(Ordering::Relaxed).then(|| self.get())
    }
}
