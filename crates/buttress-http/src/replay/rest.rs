//! What was not read of a body.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::BoxError;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use pin_project::pin_project;

/// What was not read of a body, whatever its type.
///
/// A trait of its own, and not a box of the body: so it lies in the allocation of what is kept of it.
pub(super) trait Rest: Send {
    /// The next part. The body is dropped with its last one, and by a panic.
    fn poll_part(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>;

    /// Whether nothing more comes.
    fn is_over(&self) -> bool;
}

/// A body, until its end.
#[pin_project]
pub(super) struct Unread<B>(#[pin] Option<B>);

impl<B> Unread<B> {
    pub(super) fn new(body: B) -> Self {
        Self(Some(body))
    }
}

impl<B> Rest for Unread<B>
where
    B: Body + Send,
    B::Error: Into<BoxError>,
{
    fn poll_part(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut ends = Ends(self.project().0);
        let Some(mut body) = ends.0.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let part = match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                mem::forget(ends);
                return Poll::Pending;
            }
        };
        if !part.is_trailers() && !body.is_end_stream() {
            mem::forget(ends);
        }
        Poll::Ready(Some(Ok(part)))
    }

    fn is_over(&self) -> bool {
        self.0.is_none()
    }
}

/// Drops the body, unless it is forgotten.
struct Ends<'a, B>(Pin<&'a mut Option<B>>);

impl<B> Drop for Ends<'_, B> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
