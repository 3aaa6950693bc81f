//! A body that is followed to its end.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, End, Follower};
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};

use crate::judge::Verdict;

/// A body whose [`Follower`] is told how it ended, and may end it.
///
/// It serves every layer. Frames, `size_hint` and `is_end_stream` are those of the body inside.
/// The body is asked before the follower, so that a frame which is ready wins, and the
/// error comes with the next poll. It counts as ended at its end, and also at its trailers or at
/// data after which it says that it has ended, for there hyper stops asking. Once broken off it
/// gives one error, and then nothing.
///
/// Its end is a success; under gRPC it is what the `grpc-status` in the trailers says, and a failure
/// where there is none.
///
/// Where hyper stops asking without a word from the body, the follower sees the body dropped:
/// after a `HEAD`, and where the response's own `Content-Length` is reached by a body that does
/// not know its length.
#[pin_project(PinnedDrop)]
pub struct Followed<B, F: Follower> {
    // None once it is over for sure.
    #[pin]
    body: Option<B>,
    // None once it was told.
    follower: Option<F>,
    // The error that the follower cut it with, until the reader has it.
    cut: Option<BoxError>,
    verdict: Verdict,
}

impl<B: Body, F: Follower> Followed<B, F> {
    #[inline]
    pub(crate) fn new(body: B, verdict: Verdict, follower: F) -> Self {
        // A body that is empty is over already, and nobody may ever poll it.
        let is_over = body.is_end_stream();
        let mut this = Self { body: Some(body), follower: Some(follower), cut: None, verdict };
        if is_over {
            Held(&mut this.follower).settle(End::Complete(verdict.at_end(None)));
        }
        this
    }
}

impl<B, F> Body for Followed<B, F>
where
    B: Body,
    B::Error: Into<BoxError>,
    F: Follower,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(this.cut.take().map(Err));
        };
        let held = Held(this.follower);
        let deadline = held.follower().and_then(Follower::deadline);
        // Who cuts by this deadline says whose it was, and those inside leave it to him.
        let enforces = held.follower().is_some_and(Follower::enforces);
        let under = if enforces { Deadline::enforce } else { Deadline::scope };
        let polled = under(deadline, || body.as_mut().poll_frame(cx));
        // Looked at where it is: a frame has room for trailers, and is slow to move.
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if frame.is_trailers() || body.is_end_stream() {
                held.settle(End::Complete(this.verdict.at_end(frame.trailers_ref())));
                return polled.map_err(Into::into);
            }
            // Told of each frame: a body that always has one, or a reader that takes long over
            // each, would otherwise never meet a limit. This frame still wins.
            if let Some(error) = held.0.as_mut().and_then(Follower::part) {
                drop_under(this.body, held.follower());
                held.settle(End::Failed(error.as_ref()));
                *this.cut = Some(error);
            } else {
                held.keep();
            }
            return polled.map_err(Into::into);
        }
        let end = match polled {
            Poll::Ready(Some(Err(error))) => Some(error.into()),
            Poll::Ready(_) => None,
            Poll::Pending => match held.0.as_mut().map(|follower| follower.poll_cut(cx)) {
                Some(Poll::Ready(error)) => Some(error),
                Some(Poll::Pending) | None => {
                    held.keep();
                    return Poll::Pending;
                }
            },
        };
        // First the body goes, then whatever the follower holds for it.
        drop_under(this.body, held.follower());
        let Some(error) = end else {
            held.settle(End::Complete(this.verdict.at_end(None)));
            return Poll::Ready(None);
        };
        held.settle(End::Failed(error.as_ref()));
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            // What the body still promised when it was cut does not come.
            None if self.cut.is_some() => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Drops the body under the follower's deadline, which one that has just cut it says has passed.
fn drop_under<B, F: Follower>(mut body: Pin<&mut Option<B>>, follower: Option<&F>) {
    Deadline::scope(follower.and_then(Follower::deadline), || body.set(None));
}

/// A follower for the length of a poll, dropped unless it is kept: should the body panic it goes right
/// then, while the thread is panicking, and can tell that from being abandoned.
// It stays where it is: to move it out and in took longer than the poll of most bodies.
struct Held<'a, F: Follower>(&'a mut Option<F>);

impl<F: Follower> Held<'_, F> {
    #[inline]
    fn follower(&self) -> Option<&F> {
        self.0.as_ref()
    }

    #[inline]
    fn keep(self) {
        mem::forget(self);
    }

    #[inline]
    fn settle(self, end: End<'_>) {
        if let Some(follower) = self.0.take() {
            follower.ended(end);
        }
    }
}

impl<F: Follower> Drop for Held<'_, F> {
    #[inline]
    fn drop(&mut self) {
        *self.0 = None;
    }
}

#[pinned_drop]
impl<B, F: Follower> PinnedDrop for Followed<B, F> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        drop_under(this.body, this.follower.as_ref());
    }
}

impl<B, F: Follower> fmt::Debug for Followed<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("over", &self.follower.is_none()).finish_non_exhaustive()
    }
}
