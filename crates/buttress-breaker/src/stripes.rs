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

/// One of several ways to hold the same circuit.
///
/// A call holds its circuit until it is over, so each writes a reference count twice. Were it one for
/// all, two threads would pass its cache line to and fro and be slower than one. Each has a line of
/// its own, and what lies behind is only read as long as all goes well.
#[repr(align(128))]
pub(crate) struct Stripe {
    shared: Arc<Shared>,
}

/// A circuit with as many stripes as there are cores.
pub(crate) struct Stripes {
    shared: Arc<Shared>,
    stripes: Box<[Arc<Stripe>]>,
}

impl Stripe {
    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Stripes {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = cores.next_power_of_two().min(MOST);
        let stripe = || Arc::new(Stripe { shared: Arc::clone(&shared) });
        let stripes = (0..count).map(|_| stripe()).collect();
        Self { shared, stripes }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// That of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &Arc<Stripe> {
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
