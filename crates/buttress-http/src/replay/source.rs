//! The body that is sent, and what was kept of it.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use buttress_core::{BoxError, Obstacle};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

/// The body that is sent, and what was kept of it for those who send it again.
///
/// One reader at a time owns it.
pub(super) struct Source {
    rest: Rest,
    /// What was kept when the reader began.
    kept: Vec<Bytes>,
    /// What was kept since. It is copied: a part may be a small piece of a large buffer, and to share
    /// it would keep all of that.
    tail: BytesMut,
    trailers: Option<HeaderMap>,
    /// How much may still be kept; none once there was more, or nobody was there to keep it for.
    room: Option<usize>,
    /// How long the body said it is.
    length: Option<u64>,
    /// How much of the body was read.
    read: u64,
    /// Whether the body was ever polled.
    touched: bool,
}

/// What was not read of the body.
enum Rest {
    // The lock makes a body `Sync` that is not. It is never taken: whoever polls has the only
    // reference.
    Open(Mutex<UnsyncBoxBody<Bytes, BoxError>>),
    Complete,
    Broken,
}

/// How far a reader is in what was kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    part: usize,
    trailers: bool,
}

impl Source {
    /// A body, and what it said of its length, which its box does not tell.
    pub(super) fn new(
        body: UnsyncBoxBody<Bytes, BoxError>,
        hint: &SizeHint,
        max_bytes: usize,
    ) -> Self {
        // What says that it will be too large is not kept in the first place.
        let least = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
        Self {
            rest: Rest::Open(Mutex::new(body)),
            kept: Vec::new(),
            tail: BytesMut::new(),
            trailers: None,
            room: (least <= max_bytes).then_some(max_bytes),
            length: hint.exact(),
            read: 0,
            touched: false,
        }
    }

    /// Goes back to the start, for a reader who begins.
    pub(super) fn rewind(&mut self) {
        if !self.tail.is_empty() {
            self.kept.push(self.tail.split().freeze());
        }
    }

    /// Why it can not be sent from its start, if it can not, after an attempt that was `answered` or
    /// broke off.
    pub(super) fn obstacle(&self, answered: bool) -> Option<Obstacle> {
        if !self.touched {
            None
        } else if matches!(self.rest, Rest::Broken) {
            Some(Obstacle::BrokenOff)
        } else if self.room.is_none() {
            Some(Obstacle::TooLarge)
        } else if answered && !self.is_sent() {
            Some(Obstacle::StillSending)
        } else {
            None
        }
    }

    /// Whether all of it was read. Those who know the length from the head do not ask for the end.
    fn is_sent(&self) -> bool {
        matches!(self.rest, Rest::Complete) || self.length.is_some_and(|length| self.read >= length)
    }

    /// Whether the reader at this position has everything.
    pub(super) fn is_over_at(&self, position: Position) -> bool {
        let has_parts = position.part >= self.kept.len();
        match self.rest {
            Rest::Open(_) => false,
            Rest::Complete => has_parts && position.trailers == self.trailers.is_some(),
            Rest::Broken => true,
        }
    }

    /// The next part for the reader at this position: one that was kept, or else one of the body,
    /// which is kept if it is `wanted` again.
    pub(super) fn poll_frame(
        &mut self,
        position: &mut Position,
        wanted: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(part) = self.kept.get(position.part) {
            position.part += 1;
            return Poll::Ready(Some(Ok(Frame::data(part.clone()))));
        }
        if let Some(trailers) = self.trailers.as_ref().filter(|_| !position.trailers) {
            position.trailers = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))));
        }
        let polled = self.poll_rest(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if !wanted {
                self.keep_nothing();
            }
            self.keep(frame, position);
        }
        polled
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.touched = true;
        // Broken for the length of the poll: should the body panic, nobody takes what was read of it
        // for the whole.
        let mut rest = match mem::replace(&mut self.rest, Rest::Broken) {
            Rest::Open(rest) => rest,
            over => {
                self.rest = over;
                return Poll::Ready(None);
            }
        };
        let body = rest.get_mut().unwrap_or_else(PoisonError::into_inner);
        let polled = Pin::new(&mut *body).poll_frame(cx);
        self.rest = match &polled {
            Poll::Pending => Rest::Open(rest),
            Poll::Ready(Some(Ok(frame))) if !frame.is_trailers() && !body.is_end_stream() => {
                Rest::Open(rest)
            }
            Poll::Ready(Some(Ok(_)) | None) => Rest::Complete,
            Poll::Ready(Some(Err(_))) => Rest::Broken,
        };
        polled
    }

    fn keep(&mut self, frame: &Frame<Bytes>, position: &mut Position) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = self.room.map(|_| trailers.clone());
            position.trailers = self.trailers.is_some();
        }
        let Some(data) = frame.data_ref() else { return };
        self.read = self.read.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        let Some(room) = self.room.and_then(|room| room.checked_sub(data.len())) else {
            return self.keep_nothing();
        };
        self.room = Some(room);
        self.tail.extend_from_slice(data);
    }

    fn keep_nothing(&mut self) {
        self.room = None;
        self.kept = Vec::new();
        self.tail = BytesMut::new();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("kept", &self.kept.len())
            .field("tail", &self.tail.len())
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}
