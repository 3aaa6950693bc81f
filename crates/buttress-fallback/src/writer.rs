//! Good answers on their way into a store, which nobody waits for.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, EventKind, Reporter};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    once_a_minute::OnceAMinute,
    shelf::{Put, Shelf},
};

/// Puts answers into a store, so many at once, and in so much time.
pub(crate) struct Writer {
    tier: Arc<str>,
    shelf: Arc<dyn Shelf>,
    limit: Duration,
    most: usize,
    places: Arc<Semaphore>,
    /// Of each kind of [`Reason`].
    said: [OnceAMinute; KINDS],
}

/// Why an answer was not stored.
#[derive(Debug)]
pub(crate) enum Reason {
    TooLarge,
    NoRoom,
    TooOld,
    /// What the protocol says against it.
    Unfit(BoxError),
    TooMany(usize),
    /// What the store says.
    Failed(BoxError),
    Late(Duration),
    NoRuntime,
}

const KINDS: usize = 6;

impl Writer {
    pub(crate) fn new(tier: Arc<str>, shelf: Arc<dyn Shelf>, limit: Duration, most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most));
        Self { tier, shelf, limit, most, places, said: Default::default() }
    }

    /// Stores an entry: at once if the store takes it at once, or else from a task.
    pub(crate) fn write(self: Arc<Self>, put: Put, reporter: Reporter) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.not_stored(&reporter, &Reason::TooMany(self.most));
            return;
        };
        let putting = Arc::clone(&self.shelf).put(put);
        let mut putting = Deadline::scoped(Some(Deadline::after(self.limit)), putting);
        // The task that polls it later brings a waker of its own.
        let cx = &mut Context::from_waker(Waker::noop());
        // Its deadline is its own, and not that of the call, which is over.
        match Deadline::unscoped(|| Pin::new(&mut putting).poll(cx)) {
            Poll::Ready(result) => {
                drop(place);
                self.ended(&reporter, result.map_err(Reason::Failed));
            }
            Poll::Pending => match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(self.finish(putting, place, reporter))),
                Err(_) => self.not_stored(&reporter, &Reason::NoRuntime),
            },
        }
    }

    async fn finish(
        self: Arc<Self>,
        putting: impl Future<Output = Result<(), BoxError>>,
        place: OwnedSemaphorePermit,
        reporter: Reporter,
    ) {
        let result = timeout(self.limit, putting).await;
        drop(place);
        self.ended(
            &reporter,
            match result {
                Ok(result) => result.map_err(Reason::Failed),
                Err(_) => Err(Reason::Late(self.limit)),
            },
        );
    }

    fn ended(&self, reporter: &Reporter, result: Result<(), Reason>) {
        if let Err(why) = result {
            self.not_stored(reporter, &why);
        }
    }

    pub(crate) fn not_stored(&self, reporter: &Reporter, why: &Reason) {
        let again = self.said[why.kind()].again(Instant::now());
        let cause: &(dyn Error + 'static) = match why {
            Reason::Unfit(error) | Reason::Failed(error) => error.as_ref(),
            own => own,
        };
        reporter.report(EventKind::NotStored { tier: &self.tier, cause, again });
    }
}

impl Reason {
    /// Those that are alike are said together.
    fn kind(&self) -> usize {
        match self {
            Self::TooLarge => 0,
            Self::NoRoom => 1,
            Self::TooOld => 2,
            Self::Unfit(_) => 3,
            Self::TooMany(_) => 4,
            Self::Failed(_) | Self::Late(_) | Self::NoRuntime => KINDS - 1,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the answer is larger than is stored"),
            Self::NoRoom => f.write_str("too many answers are being copied at once"),
            Self::TooOld => f.write_str("the answer is older than is served"),
            Self::Unfit(error) | Self::Failed(error) => fmt::Display::fmt(error, f),
            Self::TooMany(most) => write!(f, "the store is still at {most} others"),
            Self::Late(limit) => write!(f, "the store did not take it in {limit:?}"),
            Self::NoRuntime => f.write_str("there is no runtime for the store to go on in"),
        }
    }
}

impl Error for Reason {}
