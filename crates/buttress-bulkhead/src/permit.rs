//! A place that a call has, until its response is over.

use std::{
    fmt, mem,
    task::{Context, Poll},
    thread,
};

use buttress_core::{Allowance, BoxError, End, Follower, Judgement};
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
    // Of a call, where the limit learns from it. Boxed, so that a call whose limit does not is
    // the smaller for it.
    measured: Option<Box<Measured>>,
}

struct Measured {
    allowance: Allowance,
    // None if the inner service was not asked yet.
    since: Option<Instant>,
    // None: when the place is given back.
    until: Option<Instant>,
    awaits: Awaits,
    // None: what the end of its place looks like.
    judgement: Option<Judgement>,
}

/// What goes on with a call.
#[derive(PartialEq, Eq)]
enum Awaits {
    /// The dependency is to give the head of its response.
    Head,
    /// It is to give a frame that the reader has asked for.
    Frame,
    /// The reader has what he asked for, and takes his time.
    Reader,
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

    /// Where the limit learns from the call, it is measured; this was its allowance when it was made.
    #[inline]
    pub(crate) fn measure(&mut self, allowance: impl FnOnce() -> Allowance) {
        if let Some(place) = self.place.as_mut().filter(|place| place.bulkhead.shared().learns()) {
            place.measured = Some(Box::new(Measured::of(allowance())));
        }
    }

    /// The inner service is about to be asked.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if let Some(measured) = self.measured() {
            measured.since = Some(Instant::now());
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

    #[inline]
    fn measured(&mut self) -> Option<&mut Measured> {
        self.place.as_mut()?.measured.as_deref_mut()
    }

    /// The call is going to end like this, whatever its end will look like.
    pub(crate) fn judge(&mut self, judgement: Judgement) {
        if let Some(measured) = self.measured() {
            measured.judgement.get_or_insert(judgement);
        }
    }

    /// What comes after this takes as long as it may.
    pub(crate) fn timed_to_here(&mut self) {
        if let Some(measured) = self.measured() {
            measured.until = Some(Instant::now());
        }
    }

    /// The reader of the response has what he asked for.
    #[inline]
    pub(crate) fn served(&mut self) {
        if let Some(measured) = self.measured() {
            measured.awaits = Awaits::Reader;
        }
    }

    /// Gives the place back; the call ended like this, if nothing else was known.
    #[inline]
    pub(crate) fn settle(&mut self, judgement: Judgement) {
        self.judge(judgement);
        self.place = None;
    }
}

/// Dropped only by a panic.
struct Watch<'a>(&'a mut Permit);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.judge(Judgement::FAILURE);
    }
}

impl Follower for Permit {
    fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<BoxError> {
        // Who asks only when his time is up has not waited.
        if let Some(measured) = self.measured().filter(|call| !call.allowance.is_used_up()) {
            measured.awaits = Awaits::Frame;
        }
        Poll::Pending
    }

    #[inline]
    fn part(&mut self) -> Option<BoxError> {
        self.served();
        None
    }

    #[inline]
    fn ended(mut self, end: End<'_>) {
        if self.is_measured() {
            self.judge(match end {
                End::Complete(judgement) => judgement,
                End::Failed(error) => Judgement::of_error(error),
            });
        }
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        // Given back also if the limit panics.
        let _leaving = Leaving(&self.bulkhead);
        if let Some(measured) = &self.measured {
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
    fn of(allowance: Allowance) -> Self {
        Self { allowance, since: None, until: None, awaits: Awaits::Head, judgement: None }
    }

    #[cold]
    fn tell(&self, bulkhead: &BulkheadHandle) {
        let Some(since) = self.since else { return };
        let judgement = self.judgement.unwrap_or_else(|| {
            // A body panics while it is polled by its reader, who drops it as the panic passes.
            let panics = self.awaits != Awaits::Head && thread::panicking();
            // Cut while the dependency was waited for; or its caller, or its reader, has left.
            let cut = self.awaits != Awaits::Reader && self.allowance.is_used_up();
            if panics || cut { Judgement::FAILURE } else { Judgement::NEUTRAL }
        });
        let now = Instant::now();
        let latency = self.until.unwrap_or(now).saturating_duration_since(since);
        bulkhead.shared().learn(|in_flight| Sample { now, latency, in_flight, judgement });
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("held", &self.place.is_some()).finish_non_exhaustive()
    }
}
