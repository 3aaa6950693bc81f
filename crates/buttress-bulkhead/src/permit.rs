//! A place that a call has, until its response is over.

use std::{fmt, mem};

use buttress_core::{Deadline, End, Follower, Judgement, Outcome};
use tokio::time::Instant;

use crate::{BulkheadHandle, Sample, counts::Figures};

/// A place of the bulkhead, given back when it is dropped.
///
/// Under a protocol that follows bodies it travels in the response and is given back when the
/// response is over.
#[derive(Default)]
pub struct Permit {
    // None once it was given back, or was passed on.
    place: Option<Place>,
}

struct Place {
    bulkhead: BulkheadHandle,
    // From the call on, where the limit learns from it.
    measured: Option<Measured>,
}

#[derive(Clone, Copy)]
struct Measured {
    since: Instant,
    // None: what the end of its place looks like.
    outcome: Option<Outcome>,
}

impl Permit {
    /// A place, if one is free and nobody waits for it; else how it was.
    #[inline]
    pub(crate) fn try_enter(bulkhead: BulkheadHandle) -> Result<Self, (BulkheadHandle, Figures)> {
        match bulkhead.shared().places.try_enter() {
            Ok(()) => Ok(Self::of(bulkhead)),
            Err(figures) => Err((bulkhead, figures)),
        }
    }

    /// The place that one has come into.
    #[inline]
    pub(crate) fn of(bulkhead: BulkheadHandle) -> Self {
        Self { place: Some(Place { bulkhead, measured: None }) }
    }

    /// The call begins: from now on it is measured, where the limit learns from it.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if let Some(place) = self.place.as_mut().filter(|place| place.bulkhead.shared().learns()) {
            place.measured = Some(Measured { since: Instant::now(), outcome: None });
        }
    }

    /// Runs a part of the call; that it panics is a failure, whoever catches it.
    #[inline]
    pub(crate) fn watch<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let watch = Watch(self);
        let result = run();
        mem::forget(watch);
        result
    }

    /// The bulkhead that it is a place of.
    pub(crate) fn bulkhead(&self) -> Option<&BulkheadHandle> {
        self.place.as_ref().map(|place| &place.bulkhead)
    }

    /// The place, out of this.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Whether it matters how the call ends.
    #[inline]
    pub(crate) fn is_measured(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.measured.is_some())
    }

    /// The call is going to end like this, whatever its end will look like.
    pub(crate) fn judge(&mut self, outcome: Outcome) {
        if let Some(measured) = self.place.as_mut().and_then(|place| place.measured.as_mut()) {
            measured.outcome.get_or_insert(outcome);
        }
    }

    /// Gives the place back; the call ended like this, if nothing else was known.
    #[inline]
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.judge(outcome);
        self.place = None;
    }
}

/// Dropped only by a panic.
struct Watch<'a>(&'a mut Permit);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.judge(Outcome::Failure);
    }
}

impl Follower for Permit {
    #[inline]
    fn ended(mut self, end: End<'_>) {
        match end {
            End::Complete(outcome) => self.settle(outcome),
            End::Failed(error) if self.is_measured() => {
                self.settle(Judgement::of_error(error).outcome);
            }
            End::Failed(_) => {}
        }
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        // Given back also if the limit panics.
        let _leaving = Leaving(&self.bulkhead);
        if let Some(measured) = self.measured {
            measured.tell(&self.bulkhead);
        }
    }
}

struct Leaving<'a>(&'a BulkheadHandle);

impl Drop for Leaving<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.shared().places.leave();
    }
}

impl Measured {
    #[cold]
    fn tell(self, bulkhead: &BulkheadHandle) {
        let outcome = self.outcome.unwrap_or_else(|| {
            // Dropped: cut by a limit, or its caller hung up.
            let cut = Deadline::current().is_some_and(Deadline::is_past);
            if cut { Outcome::Failure } else { Outcome::Neutral }
        });
        let latency = self.since.elapsed();
        bulkhead.shared().learn(|in_flight| Sample { latency, in_flight, outcome });
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("held", &self.place.is_some()).finish_non_exhaustive()
    }
}
