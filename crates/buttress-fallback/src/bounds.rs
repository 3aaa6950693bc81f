//! So much time and so many at once: a tier must not become the next storm.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Deadline, Held, Phase, RejectionKind, Reporter};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep_until},
};

use crate::tier::{Answer, Serving, Unserved};

/// What one tier may take.
pub(crate) struct Bounds {
    /// `Duration::MAX` where there is no limit.
    pub(crate) limit: Duration,
    places: Option<Places>,
}

struct Places {
    most: usize,
    free: Arc<Semaphore>,
}

/// A place of those that are bounded, if they are.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

impl Bounds {
    pub(crate) const fn none() -> Self {
        Self::within(Duration::MAX)
    }

    pub(crate) const fn within(limit: Duration) -> Self {
        Self { limit, places: None }
    }

    pub(crate) fn set_most(&mut self, most: usize) {
        self.places = Some(Places { most, free: Arc::new(Semaphore::new(most)) });
    }

    /// Takes a place. `who` tells whose bound it is where there is none.
    pub(crate) fn enter(&self, who: impl FnOnce() -> Reporter) -> Result<Place, Unserved> {
        let Some(Places { most, free }) = &self.places else { return Ok(None) };
        if let Ok(place) = Arc::clone(free).try_acquire_owned() {
            return Ok(Some(place));
        }
        let in_flight = most - free.available_permits();
        let kind = RejectionKind::BulkheadFull { limit: *most, in_flight, queued: 0 };
        Err(Unserved::Full(who().rejection(kind).into()))
    }

    /// When what begins now is cut, if it is.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        (self.limit != Duration::MAX).then(|| Deadline::after(self.limit))
    }

    pub(crate) fn bound<Alt>(
        &self,
        serving: Serving<Alt>,
        place: Place,
        deadline: Option<Deadline>,
    ) -> Bounded<Alt> {
        let limit = self.limit;
        Bounded { serving: Some(serving), place, limit, deadline, sleep: None }
    }
}

/// A tier that is answering, within its bounds.
pub(crate) struct Bounded<Alt> {
    /// None once it was cut. It goes before its place, which the next one takes.
    serving: Option<Serving<Alt>>,
    place: Place,
    limit: Duration,
    deadline: Option<Deadline>,
    /// Made only where the tier was not done at once.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<Alt> Bounded<Alt> {
    /// The answer, and what is held for it. `who` tells whose limit it is that has passed.
    pub(crate) fn poll(
        &mut self,
        who: impl FnOnce() -> Reporter,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Answer<Alt>, Held), Unserved>> {
        let serving = self.serving.as_mut().expect("a tier polled after it was done");
        // The answer first: one that is ready in the same poll as the timer wins.
        let polled = Deadline::enforce(self.deadline, || serving.as_mut().poll(cx));
        if let Poll::Ready(result) = polled {
            let held = self.place.take().map_or(Held::NOTHING, Held::new);
            return Poll::Ready(result.map(|answer| (answer, held)));
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline.instant())));
        // The clock as well as the timer: tokio lets no timer fire in a task that has used up its
        // turn.
        if sleep.as_mut().poll(cx).is_pending() && !deadline.is_past() {
            return Poll::Pending;
        }
        // What is inside knows itself to be cut, and not abandoned.
        Deadline::scope(self.deadline, || self.serving = None);
        let kind = RejectionKind::TimedOut { phase: Phase::Overall, limit: self.limit };
        Poll::Ready(Err(Unserved::Failed(who().rejection(kind).into())))
    }
}
