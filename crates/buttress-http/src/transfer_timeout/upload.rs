//! How far a request body is, told by the body and read by its call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// How far a request body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    /// Nobody has asked for a frame of it yet.
    Unasked,
    /// It was first asked at this instant, and has given nothing.
    Asked(Instant),
    /// It gave a frame at this instant, and is not over.
    Moved(Instant),
    /// It is over, and moved for the last time at this instant, if ever.
    Over(Option<Instant>),
}

impl Upload {
    /// Since when the next frame is waited for, by whomever of the two sides.
    pub(super) fn waits_since(self) -> Option<Instant> {
        match self {
            Self::Asked(since) | Self::Moved(since) => Some(since),
            Self::Unasked | Self::Over(_) => None,
        }
    }

    /// When it moved for the last time.
    pub(super) fn moved(self) -> Option<Instant> {
        match self {
            Self::Moved(moved) => Some(moved),
            Self::Over(moved) => moved,
            Self::Unasked | Self::Asked(_) => None,
        }
    }

    /// It was asked, and has nothing now.
    pub(super) fn ask(&mut self, now: Instant) {
        if *self == Self::Unasked {
            *self = Self::Asked(now);
        }
    }

    /// It gave a frame, or its end.
    pub(super) fn step(&mut self, now: Instant) {
        *self = Self::Moved(now);
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        *self = Self::Over(self.moved());
    }
}

/// Where the body tells; when it is dropped, the body is over.
#[derive(Debug)]
pub(super) struct Teller(Arc<Mutex<Upload>>);

/// Where the call reads.
#[derive(Debug)]
pub(super) struct Reader(Option<Arc<Mutex<Upload>>>);

/// The two ends of one call's upload.
pub(super) fn pair() -> (Teller, Reader) {
    let upload = Arc::new(Mutex::new(Upload::Unasked));
    (Teller(Arc::clone(&upload)), Reader(Some(upload)))
}

impl Teller {
    /// The body was asked, and has nothing now.
    pub(super) fn asked(&self) {
        let mut upload = lock(&self.0);
        // The clock is read under the lock: what a call saw before it is then never later.
        upload.ask(Instant::now());
    }

    /// The body gave a frame, or its end.
    pub(super) fn moved(&self) {
        let mut upload = lock(&self.0);
        upload.step(Instant::now());
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        lock(&self.0).end();
    }
}

impl Reader {
    /// Reads of a body that is over, and costs nothing.
    pub(super) const OVER: Self = Self(None);

    /// How far the body is.
    pub(super) fn read(&self) -> Upload {
        self.0.as_ref().map_or(Upload::Over(None), |upload| *lock(upload))
    }
}

// Nothing that is done under the lock can panic half way.
fn lock(upload: &Mutex<Upload>) -> MutexGuard<'_, Upload> {
    upload.lock().unwrap_or_else(PoisonError::into_inner)
}
