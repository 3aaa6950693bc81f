//! What all calls of one compartment share.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use buttress_core::{EventKind, Rejection, RejectionKind, Reporter};
use tokio::{runtime::Handle, task::JoinError, time::Instant};

use crate::{
    Limit, Sample,
    counts::{Figures, MOST},
    pace::Pace,
    places::Places,
    settings::Complete,
    snapshot::{BulkheadSnapshot, Rejected},
    wait_times::Waits,
};

/// The word for this layer in errors and events.
pub(crate) const LAYER: &str = "bulkhead";

/// One compartment.
// In this order: a call writes the counts of the places, and the reference count that stands before them.
// On one cache line, two threads make twice as many calls as on two.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) places: Places,
    // Nothing if it does not learn, or an operator has said what it is.
    learner: Mutex<Option<Box<dyn Limit>>>,
    learns: AtomicBool,
    settings: Arc<Complete>,
    reporter: Reporter,
    pub(crate) waits: Waits,
    pace: Pace,
    full: AtomicU64,
    queue_timeout: AtomicU64,
    deadline_exceeded: AtomicU64,
    lost: AtomicU64,
    // Whether an operator has said what the limit is.
    told: AtomicBool,
}

impl Shared {
    pub(crate) fn new(settings: Arc<Complete>, reporter: Reporter) -> Self {
        let limit = settings.limit.make();
        let places = Places::new(limit.current().clamp(1, MOST));
        let learner = limit.learns().then_some(limit);
        let learns = AtomicBool::new(learner.is_some());
        Self {
            places,
            learner: Mutex::new(learner),
            learns,
            settings,
            reporter,
            waits: Waits::new(),
            pace: Pace::new(),
            full: AtomicU64::new(0),
            queue_timeout: AtomicU64::new(0),
            deadline_exceeded: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            told: AtomicBool::new(false),
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Complete> {
        &self.settings
    }

    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.settings.runtime.as_ref()
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Whether calls are measured for a limit that learns.
    #[inline]
    pub(crate) fn learns(&self) -> bool {
        self.learns.load(Ordering::Relaxed)
    }

    /// Tells the limit of a call that has ended, and holds to what it says from now on.
    #[cold]
    pub(crate) fn learn(&self, sample: impl FnOnce(usize) -> Sample) {
        let mut learner = self.learner();
        // None if an operator has said meanwhile what the limit is.
        let Some(limit) = &mut *learner else { return };
        let figures = self.places.figures();
        limit.learn(&sample(figures.in_flight));
        let next = limit.current().clamp(1, MOST);
        if next == figures.limit {
            return;
        }
        // Set under the lock, so that of two that learn the later one's word holds. To wake those who
        // wait is foreign code, which may end another call and so come here.
        self.places.set_limit(next);
        drop(learner);
        self.places.serve();
    }

    /// Holds to this limit from now on, from 1 to [`MOST`], whatever the former would learn.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.replace_limit(limit, true, None);
    }

    /// Holds to the limit that it was made with.
    pub(crate) fn reset_limit(&self) {
        let limit = self.settings.limit.make();
        let now = limit.current().clamp(1, MOST);
        self.replace_limit(now, false, limit.learns().then_some(limit));
    }

    fn replace_limit(&self, limit: usize, told: bool, learner: Option<Box<dyn Limit>>) {
        // Of two operators, all that the later one says holds.
        let mut current = self.learner();
        self.told.store(told, Ordering::Relaxed);
        self.learns.store(learner.is_some(), Ordering::Relaxed);
        let _former = mem::replace(&mut *current, learner);
        self.places.set_limit(limit);
        drop(current);
        self.places.serve();
    }

    /// Whether an operator has said what the limit is.
    #[cfg(feature = "keyed")]
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn learner(&self) -> MutexGuard<'_, Option<Box<dyn Limit>>> {
        self.learner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rejects because there is no place, neither to be in nor to wait in.
    #[cold]
    pub(crate) fn reject_as_full(&self, figures: Figures) -> Rejection {
        let Figures { limit, in_flight, queued, .. } = figures;
        let kind = RejectionKind::BulkheadFull { limit, in_flight, queued };
        self.full.fetch_add(1, Ordering::Relaxed);
        self.reject_for_now(kind, figures)
    }

    /// Rejects because no place became free while this call waited.
    pub(crate) fn reject_as_late(&self, waited: Duration) -> Rejection {
        let figures = self.places.figures();
        let Figures { limit, in_flight, queued, .. } = figures;
        let kind = RejectionKind::QueueTimeout { limit, in_flight, queued, waited };
        self.queue_timeout.fetch_add(1, Ordering::Relaxed);
        self.reject_for_now(kind, figures)
    }

    /// Rejects because the deadline passed before there was a place.
    pub(crate) fn reject_as_pointless(&self) -> Rejection {
        self.deadline_exceeded.fetch_add(1, Ordering::Relaxed);
        self.reporter.reject(RejectionKind::DeadlineExceeded { called: false })
    }

    /// Rejects, and says when there may be a place.
    fn reject_for_now(&self, kind: RejectionKind, figures: Figures) -> Rejection {
        let Figures { limit, in_flight, queued, left, .. } = figures;
        // Where the limit has shrunk, some must leave before there is any place.
        let places = queued + 1 + in_flight.saturating_sub(limit);
        // What went on to the next without being taken was no call that ended.
        let left = left.saturating_sub(self.places.untaken());
        let delay = self.pace.until_free(Instant::now(), left, places);
        self.tell(self.reporter.rejection(kind).with_retry_after(delay))
    }

    /// Says that a call was lost on the runtime that it was given to.
    pub(crate) fn reject_as_lost(&self, lost: JoinError) -> Rejection {
        let kind =
            if lost.is_panic() { RejectionKind::Panicked } else { RejectionKind::RuntimeShutDown };
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.tell(self.reporter.rejection(kind).with_cause(lost))
    }

    fn tell(&self, rejection: Rejection) -> Rejection {
        self.reporter.report(EventKind::Rejected(&rejection));
        rejection
    }

    pub(crate) fn snapshot(&self) -> BulkheadSnapshot {
        let (figures, admitted) = self.places.census();
        BulkheadSnapshot {
            limit: figures.limit,
            in_flight: figures.in_flight,
            queued: figures.queued,
            admitted,
            rejected: Rejected {
                full: self.full.load(Ordering::Relaxed),
                queue_timeout: self.queue_timeout.load(Ordering::Relaxed),
                deadline_exceeded: self.deadline_exceeded.load(Ordering::Relaxed),
            },
            lost: self.lost.load(Ordering::Relaxed),
            waits: self.waits.snapshot(),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complete { max_wait, max_queue, .. } = &*self.settings;
        f.debug_struct("Bulkhead")
            .field("name", self.reporter.name())
            .field("limit", &self.places.figures().limit)
            .field("max_wait", max_wait)
            .field("max_queue", max_queue)
            .finish_non_exhaustive()
    }
}
