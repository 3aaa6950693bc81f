//! The body that is sent, and what was kept of it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Obstacle};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

/// The body that is sent, and what was kept of it for those who send it again.
///
/// One reader at a time owns it.
pub(super) struct Source {
    body: UnsyncBoxBody<Bytes, BoxError>,
    kept: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// How much may still be kept; none once there was more, or nobody was there to keep it for.
    room: Option<usize>,
    state: State,
    /// How long the body said it is.
    length: Option<u64>,
    /// How much of the body was read.
    read: u64,
    /// Whether the body was ever polled.
    touched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
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
        let room = (least <= max_bytes).then_some(max_bytes);
        let (kept, trailers, state, length) = (Vec::new(), None, State::Open, hint.exact());
        Self { body, kept, trailers, room, state, length, read: 0, touched: false }
    }

    /// Why it can not be sent from its start, if it can not, after an attempt that was `answered` or
    /// broke off.
    pub(super) fn obstacle(&self, answered: bool) -> Option<Obstacle> {
        if !self.touched {
            None
        } else if self.room.is_none() {
            Some(Obstacle::TooLarge)
        } else if self.state == State::Broken {
            Some(Obstacle::BrokenOff)
        } else if answered && !self.is_sent() {
            Some(Obstacle::StillSending)
        } else {
            None
        }
    }

    /// Whether all of it was read. Those who know the length from the head do not ask for the end.
    fn is_sent(&self) -> bool {
        self.state == State::Complete || self.length.is_some_and(|length| self.read >= length)
    }

    /// Whether the reader at this position has everything.
    pub(super) fn is_over_at(&self, position: Position) -> bool {
        let kept = position.part >= self.kept.len() && position.trailers == self.trailers.is_some();
        match self.state {
            State::Open => false,
            State::Complete => kept || self.room.is_none(),
            State::Broken => true,
        }
    }

    /// The next part for the reader at this position: one that was kept, or else one of the body,
    /// which is kept if another reader may `want` it.
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
        if self.state != State::Open {
            return Poll::Ready(None);
        }
        self.touched = true;
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => {
                self.state = State::Complete;
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                self.state = State::Broken;
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(frame)) => frame,
        };
        if !wanted {
            self.keep_nothing();
        }
        if let Some(data) = frame.data_ref() {
            self.read = self.read.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            self.keep(data, position);
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = self.room.map(|_| trailers.clone());
            position.trailers = self.trailers.is_some();
            self.state = State::Complete;
        }
        if self.body.is_end_stream() {
            self.state = State::Complete;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn keep(&mut self, data: &Bytes, position: &mut Position) {
        let Some(room) = self.room.and_then(|room| room.checked_sub(data.len())) else {
            self.keep_nothing();
            *position = Position::default();
            return;
        };
        self.room = Some(room);
        self.kept.push(data.clone());
        position.part = self.kept.len();
    }

    fn keep_nothing(&mut self) {
        self.room = None;
        self.kept = Vec::new();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("kept", &self.kept.len())
            .field("room", &self.room)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
