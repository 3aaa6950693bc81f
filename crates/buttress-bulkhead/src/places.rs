//! The places of a bulkhead, and the queue for them.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use buttress_core::{End, Follower};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::unconstrained,
};

/// The most places that a bulkhead can have.
pub(crate) const MOST: usize = Semaphore::MAX_PERMITS;

/// So many calls at once, and so many that wait for one of them to end.
pub(crate) struct Places {
    limit: usize,
    free: Arc<Semaphore>,
    queue: Arc<Queue>,
}

impl Places {
    /// `limit` free places, from 1 to [`MOST`], and an empty queue for `max_queue` calls.
    pub(crate) fn new(limit: usize, max_queue: usize) -> Self {
        let queue = Queue { max: max_queue, waiting: AtomicUsize::new(0) };
        Self { limit, free: Arc::new(Semaphore::new(limit)), queue: Arc::new(queue) }
    }

    /// Takes a place if one is free and nobody waits for it.
    pub(crate) fn try_enter(&self) -> Option<Permit> {
        // A place that is given back goes to who waits for it and is never free in between, so
        // there is no need to look at the queue here.
        Arc::clone(&self.free).try_acquire_owned().ok().map(Permit)
    }

    /// Joins the queue at its end if there is room in it.
    ///
    /// The turn stands in the queue from its first poll on.
    pub(crate) fn try_queue(&self) -> Option<Turn> {
        let in_line = self.queue.join()?;
        let free = Arc::clone(&self.free);
        // Unconstrained: a task that has used up its turn on the runtime must queue all the same,
        // or one that came later would be before it.
        Some(Turn(Box::pin(unconstrained(async move {
            let place = free.acquire_owned().await.expect("nobody closes the semaphore");
            drop(in_line);
            Permit(place)
        }))))
    }

    /// The most calls at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The most calls that wait.
    pub(crate) fn max_queue(&self) -> usize {
        self.queue.max
    }

    /// The places that are taken.
    pub(crate) fn in_flight(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// The calls that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.waiting.load(Ordering::Relaxed)
    }
}

/// Counts who waits. The order they wait in is the semaphore's.
struct Queue {
    max: usize,
    waiting: AtomicUsize,
}

impl Queue {
    fn join(self: &Arc<Self>) -> Option<InLine> {
        // Relaxed, here and below: the count guards nothing but itself.
        let one_more = |waiting| (waiting < self.max).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(InLine(Arc::clone(self)))
    }
}

/// A place in the queue, given back when it is dropped.
struct InLine(Arc<Queue>);

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of a call that waits. Dropped, it leaves the queue; a place that it was given and
/// did not take goes to the next.
pub(crate) struct Turn(Pin<Box<dyn Future<Output = Permit> + Send + Sync>>);

impl Turn {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Permit> {
        self.0.as_mut().poll(cx)
    }
}

/// A place of the bulkhead, given back when it is dropped.
///
/// Under a protocol that follows bodies it travels in the response and is given back when the
/// response is over.
pub struct Permit(
    #[expect(dead_code, reason = "held for the sake of its drop")] OwnedSemaphorePermit,
);

impl Follower for Permit {
    fn ended(self, _end: End<'_>) {}
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
