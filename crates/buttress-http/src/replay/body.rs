//! The body.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use buttress_core::{BoxError, Obstacle};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{rest::Unread, source::Source};

/// A request body that can be sent again; see the [module's page](super).
///
/// A clone sends the same from the start. One of them is read at a time: another that is polled
/// meanwhile, or that can not send what was not kept, breaks off with an error.
///
/// Its `Default` is an empty body.
pub struct ReplayBody {
    // None for an empty body.
    shared: Option<Arc<Shared>>,
    reading: Reading,
    /// The bytes that this one gave.
    given: u64,
}

struct Shared {
    /// What the body said of its length before it was read, so that all attempts say the same.
    hint: SizeHint,
    /// None while a reader has it.
    source: Mutex<Option<Pin<Box<Source>>>>,
}

enum Reading {
    NotYet,
    // The lock makes a body `Sync` that is not. It is never taken: whoever reads has the only reference.
    Now(Mutex<Pin<Box<Source>>>),
    Over,
}

impl ReplayBody {
    pub(super) fn new<B>(body: B, max_bytes: usize) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::default();
        }
        let hint = body.size_hint();
        let source: Pin<Box<Source>> = Box::pin(Source::new(Unread::new(body), &hint, max_bytes));
        let shared = Shared { hint, source: Mutex::new(Some(source)) };
        Self { shared: Some(Arc::new(shared)), reading: Reading::NotYet, given: 0 }
    }

    /// Takes the source, to read it from its start: then no other can. After an attempt that was
    /// `answered` only if that had sent all of it, or nothing.
    #[inline]
    pub(crate) fn claim(&mut self, answered: bool) -> Result<(), Obstacle> {
        let (Some(shared), Reading::NotYet) = (&self.shared, &self.reading) else { return Ok(()) };
        let mut kept = shared.source.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = kept.take().ok_or(Obstacle::StillSending)?;
        if let Some(obstacle) = source.obstacle(answered) {
            *kept = Some(source);
            return Err(obstacle);
        }
        source.as_mut().rewind();
        self.reading = Reading::Now(Mutex::new(source));
        Ok(())
    }

    /// Gives the source back, for the next reader.
    fn end(&mut self) {
        let reading = std::mem::replace(&mut self.reading, Reading::Over);
        if let (Reading::Now(source), Some(shared)) = (reading, &self.shared) {
            let source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
            *shared.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        }
    }
}

impl Body for ReplayBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Err(obstacle) = this.claim(false) {
            this.reading = Reading::Over;
            let error = format!("the request body can not be sent again: {obstacle}");
            return Poll::Ready(Some(Err(error.into())));
        }
        // Kept only if somebody is left who might send it again.
        let wanted = this.shared.as_ref().is_some_and(|shared| Arc::strong_count(shared) > 1);
        let Reading::Now(source) = &mut this.reading else { return Poll::Ready(None) };
        let source = source.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Looked at where it is, for it is slow to move: a frame has room for trailers.
        let polled = source.as_mut().poll_frame(wanted, cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let given = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    this.given = this.given.saturating_add(given);
                }
                // Whoever reads stops asking at the trailers, or once it is told that this is the end.
                if frame.is_trailers() || source.is_over() {
                    this.end();
                }
            }
            Poll::Ready(Some(Err(_)) | None) => this.end(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.shared.is_none() || matches!(self.reading, Reading::Over)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(shared) = self.shared.as_ref().filter(|_| !self.is_end_stream()) else {
            return SizeHint::with_exact(0);
        };
        let mut left = SizeHint::new();
        if let Some(upper) = shared.hint.upper() {
            left.set_upper(upper.saturating_sub(self.given));
        }
        left.set_lower(shared.hint.lower().saturating_sub(self.given));
        left
    }
}

/// One that has not been read.
impl Clone for ReplayBody {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), reading: Reading::NotYet, given: 0 }
    }
}

impl Default for ReplayBody {
    fn default() -> Self {
        Self { shared: None, reading: Reading::NotYet, given: 0 }
    }
}

impl Drop for ReplayBody {
    fn drop(&mut self) {
        if let Reading::Now(_) = self.reading {
            self.end();
        }
    }
}

impl fmt::Debug for ReplayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("given", &self.given).finish_non_exhaustive()
    }
}
