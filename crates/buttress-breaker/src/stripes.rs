//! What a call holds of its circuit, apart for each thread.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::shared::Shared;

/// The most stripes: beyond so many cores some share one.
const MOST: usize = 64;

/// How a circuit is held.
///
/// A call holds its circuit until it is over, so each writes a reference count twice. Were it one for
/// all, two threads would pass its cache line to and fro, and be slower than one. So a circuit that
/// is called by many has several stripes, each with a count of its own; what lies behind is only read
/// as long as all goes well. A stripe is as large as a circuit, so no two counts share a line.
#[expect(clippy::large_enum_variant, reason = "its size keeps the counts apart")]
pub(crate) enum Hold {
    Itself(Shared),
    Stripe(Arc<Hold>),
}

/// A circuit with as many stripes as there are cores.
pub(crate) struct Stripes {
    circuit: Arc<Hold>,
    stripes: Box<[Arc<Hold>]>,
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

impl Stripes {
    pub(crate) fn new(shared: Shared) -> Self {
        let circuit = Arc::new(Hold::Itself(shared));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = cores.next_power_of_two().min(MOST);
        let stripe = || Arc::new(Hold::Stripe(Arc::clone(&circuit)));
        let stripes = (0..count).map(|_| stripe()).collect();
        Self { circuit, stripes }
    }

    /// The circuit itself.
    pub(crate) fn circuit(&self) -> &Arc<Hold> {
        &self.circuit
    }

    /// The stripe of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &Arc<Hold> {
        &self.stripes[thread_number() & (self.stripes.len() - 1)]
    }
}

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A number that threads are given in turn; 0 while the thread is taken down.
#[inline]
fn thread_number() -> usize {
    let number = NUMBER.try_with(|number| number.get().unwrap_or_else(|| next_number(number)));
    number.unwrap_or(0)
}

#[cold]
fn next_number(cell: &Cell<Option<usize>>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    cell.set(Some(number));
    number
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use buttress_core::Reporter;

    use super::*;
    use crate::settings::Settings;

    /// Not all threads hold the circuit by the same count, and all hold the same circuit.
    #[test]
    fn threads_hold_it_apart() {
        let settings = Arc::new(Settings::default().complete().unwrap());
        let stripes = Stripes::new(Shared::new(settings, Reporter::new("breaker")));
        let held: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| stripes.mine())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let counts: HashSet<_> = held.iter().map(|hold| Arc::as_ptr(hold)).collect();
        assert_eq!(counts.len() > 1, stripes.stripes.len() > 1);
        let shared = |hold: &Hold| std::ptr::from_ref(hold.shared());
        assert!(held.iter().all(|hold| shared(hold) == shared(stripes.circuit())));
    }
}
