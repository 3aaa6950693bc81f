//! What all calls of a layer share, held by each thread apart.

use std::{
    cell::Cell,
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The most stripes: beyond so many cores some share one.
const MOST: usize = 64;

/// What all calls of a layer share, held by each thread apart.
///
/// A call holds it until it is over, so each writes a reference count twice. Were it one for all,
/// threads would pass its cache line to and fro: two of them made no more calls than one. So there are
/// as many stripes as cores, each with a count of its own, and a call holds that of its
/// [own thread](Self::mine); what lies behind is only read. A stripe is made when it is first needed.
///
/// Clones share the same. `S` is what a stripe is, where it is not a [`Stripe`].
pub struct Striped<T, S = Stripe<T>> {
    all: Arc<All<T, S>>,
}

struct All<T, S> {
    shared: Arc<T>,
    // A power of two.
    stripes: Box<[OnceLock<Arc<S>>]>,
}

/// How one thread holds what all share.
pub struct Stripe<T> {
    shared: Arc<T>,
    // So large that no two counts are on neighbouring cache lines.
    _apart: [u64; 13],
}

impl<T, S> Striped<T, S> {
    /// Shares this.
    pub fn new(shared: T) -> Self {
        let stripes = (0..count()).map(|_| OnceLock::new()).collect();
        Self { all: Arc::new(All { shared: Arc::new(shared), stripes }) }
    }

    /// What is shared, for one who is not a call.
    #[inline]
    pub fn shared(&self) -> &Arc<T> {
        &self.all.shared
    }
}

impl<T, S: From<Arc<T>>> Striped<T, S> {
    /// The stripe of this thread.
    #[inline]
    pub fn mine(&self) -> &Arc<S> {
        let stripes = &self.all.stripes;
        let stripe = &stripes[thread_number() & (stripes.len() - 1)];
        stripe.get().unwrap_or_else(|| self.make(stripe))
    }

    #[cold]
    fn make<'a>(&self, stripe: &'a OnceLock<Arc<S>>) -> &'a Arc<S> {
        stripe.get_or_init(|| Arc::new(S::from(Arc::clone(&self.all.shared))))
    }
}

/// How many stripes there are.
fn count() -> usize {
    // Once: to count the cores opens files, and services are made for single requests.
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        cores.next_power_of_two().min(MOST)
    })
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

impl<T, S> Deref for Striped<T, S> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.all.shared
    }
}

impl<T> Deref for Stripe<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.shared
    }
}

impl<T> From<Arc<T>> for Stripe<T> {
    fn from(shared: Arc<T>) -> Self {
        Self { shared, _apart: [0; 13] }
    }
}

// By hand: a derived one would ask what is shared to be `Clone`.
impl<T, S> Clone for Striped<T, S> {
    fn clone(&self) -> Self {
        Self { all: Arc::clone(&self.all) }
    }
}

impl<T: fmt::Debug, S> fmt::Debug for Striped<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.shared.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Stripe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Not all threads hold it by the same count, and all hold the same.
    #[test]
    fn threads_hold_it_apart() {
        let striped = Striped::<_>::new(7);
        let held: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| striped.mine())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let counts: HashSet<_> = held.iter().map(|&held| Arc::as_ptr(held)).collect();
        assert_eq!(counts.len() > 1, striped.all.stripes.len() > 1);
        assert!(held.iter().all(|&held| Arc::ptr_eq(&held.shared, striped.shared())));
        assert!(Arc::ptr_eq(striped.mine(), striped.mine()), "one thread, one count");
        assert!(size_of::<Stripe<u8>>() + 2 * size_of::<usize>() >= 120);
    }

    /// A retry has one for each service, and axum makes a service for each request of some handlers. The
    /// cores are counted once: to do so opens files, three of them under Linux.
    #[test]
    fn a_second_one_does_not_count_the_cores_again() {
        drop(Striped::<_>::new(7));
        let info = allocation_counter::measure(|| drop(Striped::<_>::new(7)));
        assert!(info.count_total <= 3, "{} allocations", info.count_total);
    }
}
