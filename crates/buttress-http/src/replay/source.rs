//! The body that is sent, and what was kept of it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Obstacle};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project::pin_project;

use super::rest::Rest;

/// The body that is sent, and what was kept of it for those who send it again.
///
/// One reader at a time owns it.
#[pin_project]
pub(super) struct Source<R: ?Sized = dyn Rest> {
    kept: Kept,
    /// How far the reader is in what was kept.
    position: Position,
    progress: Progress,
    #[pin]
    rest: R,
}

/// What was kept of the body, and what is known of it.
struct Kept {
    /// What was kept when the reader began.
    parts: Vec<Bytes>,
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
}

/// How far a reader is in what was kept.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    part: usize,
    trailers: bool,
}

/// How much of the body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It was never polled.
    Untouched,
    Begun,
    Complete,
    Broken,
}

impl<R> Source<R> {
    /// A body that said this of its length.
    pub(super) fn new(rest: R, hint: &SizeHint, max_bytes: usize) -> Self {
        // What says that it will be too large is not kept in the first place.
        let least = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
        let kept = Kept {
            parts: Vec::new(),
            tail: BytesMut::new(),
            trailers: None,
            room: (least <= max_bytes).then_some(max_bytes),
            length: hint.exact(),
            read: 0,
        };
        Self { kept, position: Position::default(), progress: Progress::Untouched, rest }
    }
}

impl Source {
    /// Goes back to the start, for a reader who begins.
    pub(super) fn rewind(self: Pin<&mut Self>) {
        let this = self.project();
        *this.position = Position::default();
        if !this.kept.tail.is_empty() {
            this.kept.parts.push(this.kept.tail.split().freeze());
        }
    }

    /// Why it can not be sent from its start, if it can not, after an attempt that was `answered` or
    /// broke off.
    pub(super) fn obstacle(&self, answered: bool) -> Option<Obstacle> {
        match self.progress {
            Progress::Untouched => None,
            Progress::Broken => Some(Obstacle::BrokenOff),
            _ if self.kept.room.is_none() => Some(Obstacle::TooLarge),
            Progress::Begun if answered && !self.kept.is_whole() => Some(Obstacle::StillSending),
            Progress::Begun | Progress::Complete => None,
        }
    }

    /// Whether the reader has everything.
    pub(super) fn is_over(&self) -> bool {
        match self.progress {
            Progress::Untouched | Progress::Begun => false,
            Progress::Complete => {
                let has_parts = self.position.part >= self.kept.parts.len();
                has_parts && self.position.trailers == self.kept.trailers.is_some()
            }
            Progress::Broken => true,
        }
    }

    /// The next part for the reader: one that was kept, or else one of the body, which is kept if it is
    /// `wanted` again.
    pub(super) fn poll_frame(
        self: Pin<&mut Self>,
        wanted: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Some(again) = this.kept.next(this.position) {
            return Poll::Ready(Some(Ok(again)));
        }
        if matches!(this.progress, Progress::Complete | Progress::Broken) {
            return Poll::Ready(None);
        }
        // Broken for the length of the poll: should the body panic, nobody takes what was read of it
        // for the whole.
        *this.progress = Progress::Broken;
        let polled = this.rest.as_mut().poll_part(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => {}
            _ if !this.rest.is_over() => *this.progress = Progress::Begun,
            _ => *this.progress = Progress::Complete,
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if !wanted {
                this.kept.let_go();
            }
            this.kept.keep(frame, this.position);
        }
        polled
    }
}

impl Kept {
    /// What the reader at this position gets of what was kept.
    fn next(&self, position: &mut Position) -> Option<Frame<Bytes>> {
        if let Some(part) = self.parts.get(position.part) {
            position.part += 1;
            return Some(Frame::data(part.clone()));
        }
        let trailers = self.trailers.as_ref().filter(|_| !position.trailers)?;
        position.trailers = true;
        Some(Frame::trailers(trailers.clone()))
    }

    /// Whether all of the body was read. Those who know the length from the head do not ask for the end.
    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| self.read >= length)
    }

    fn keep(&mut self, frame: &Frame<Bytes>, position: &mut Position) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = self.room.map(|_| trailers.clone());
            position.trailers = self.trailers.is_some();
        }
        let Some(data) = frame.data_ref() else { return };
        self.read = self.read.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.room.and_then(|room| room.checked_sub(data.len())) {
            Some(room) => {
                self.room = Some(room);
                self.tail.extend_from_slice(data);
            }
            None => self.let_go(),
        }
    }

    /// Keeps nothing any more.
    fn let_go(&mut self) {
        // Asked at each part of a body that is too large.
        if self.room.take().is_some() {
            self.parts = Vec::new();
            self.tail = BytesMut::new();
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("kept", &self.kept.parts.len())
            .field("tail", &self.kept.tail.len())
            .field("room", &self.kept.room)
            .finish_non_exhaustive()
    }
}
