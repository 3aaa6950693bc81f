//! The body of whatever the caller of a fallback gets.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Held};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};

use super::{copy::Remembered, copying::Copying};

/// The body of a response that went through a fallback: the original, one that was remembered, or that
/// of an alternative.
///
/// Frames, `size_hint` and `is_end_stream` are those of the body inside. An original of which a copy is
/// to be stored is copied as it passes, and stored at its end.
#[pin_project(PinnedDrop)]
pub struct Substituted<B, A> {
    #[pin]
    body: Inner<B, A>,
    /// The copy of an original, until its end.
    copying: Option<Box<Copying>>,
    /// What an alternative holds, until its end.
    held: Held,
}

#[pin_project(project = InnerProj)]
enum Inner<B, A> {
    Original(#[pin] B),
    Alternative(#[pin] A),
    Remembered(Remembered),
}

impl<B: Body, A> Substituted<B, A> {
    pub(super) fn original(body: B, mut copying: Option<Box<Copying>>) -> Self {
        // A body that is empty is over already, and nobody may ever poll it.
        if body.is_end_stream()
            && let Some(copying) = copying.take()
        {
            copying.end(None);
        }
        Self { body: Inner::Original(body), copying, held: Held::NOTHING }
    }
}

impl<B, A: Body> Substituted<B, A> {
    pub(super) fn alternative(body: A, held: Held) -> Self {
        let held = if body.is_end_stream() { Held::NOTHING } else { held };
        Self { body: Inner::Alternative(body), copying: None, held }
    }
}

impl<B, A> Substituted<B, A> {
    pub(super) fn remembered(body: Remembered) -> Self {
        Self { body: Inner::Remembered(body), copying: None, held: Held::NOTHING }
    }
}

impl<B, A> Body for Substituted<B, A>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    A: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        match this.body.as_mut().project() {
            InnerProj::Original(mut body) => {
                // Taken for the length of the poll: the copy of a body that panics is no copy.
                let copying = this.copying.take();
                let polled = body.as_mut().poll_frame(cx).map_err(Into::into);
                if let Some(copying) = copying {
                    *this.copying = copied(copying, &polled, || body.is_end_stream());
                }
                polled
            }
            InnerProj::Alternative(mut body) => {
                let polled = body.as_mut().poll_frame(cx).map_err(Into::into);
                if is_over(&polled, || body.is_end_stream()) {
                    *this.held = Held::NOTHING;
                }
                polled
            }
            InnerProj::Remembered(body) => Poll::Ready(body.next().map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Inner::Original(body) => body.is_end_stream(),
            Inner::Alternative(body) => body.is_end_stream(),
            Inner::Remembered(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Inner::Original(body) => body.size_hint(),
            Inner::Alternative(body) => body.size_hint(),
            Inner::Remembered(body) => body.size_hint(),
        }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// Whether the body is over that gave this: at its end, an error, its trailers, or data after which it
/// says so, for there hyper stops asking.
fn is_over(polled: &Polled, is_end_stream: impl FnOnce() -> bool) -> bool {
    match polled {
        Poll::Pending => false,
        Poll::Ready(None | Some(Err(_))) => true,
        Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || is_end_stream(),
    }
}

/// Copies what the body gave, and gives back the copy if there is more to come.
fn copied(
    mut copying: Box<Copying>,
    polled: &Polled,
    is_end_stream: impl FnOnce() -> bool,
) -> Option<Box<Copying>> {
    let frame = match polled {
        Poll::Ready(Some(Ok(frame))) => Some(frame),
        Poll::Ready(Some(Err(_))) => return None,
        Poll::Ready(None) | Poll::Pending => None,
    };
    if let Some(data) = frame.and_then(Frame::data_ref)
        && !copying.data(data)
    {
        return None;
    }
    if is_over(polled, is_end_stream) {
        copying.end(frame.and_then(Frame::trailers_ref));
        return None;
    }
    Some(copying)
}

impl Remembered {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        if !self.data.is_empty() {
            return Some(Frame::data(std::mem::take(&mut self.data)));
        }
        self.trailers.take().map(Frame::trailers)
    }

    fn is_over(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::with_exact(self.data.len() as u64);
        if self.trailers.is_some() {
            // Over HTTP/1 no trailers can follow what is of a known length.
            hint = SizeHint::new();
            hint.set_lower(self.data.len() as u64);
        }
        hint
    }
}

#[pinned_drop]
impl<B, A> PinnedDrop for Substituted<B, A> {
    fn drop(self: Pin<&mut Self>) {
        if let Some(copying) = self.project().copying.take() {
            copying.left();
        }
    }
}

impl<B, A> fmt::Debug for Substituted<B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match &self.body {
            Inner::Original(_) => "original",
            Inner::Alternative(_) => "alternative",
            Inner::Remembered(_) => "remembered",
        };
        f.debug_tuple("Substituted").field(&which).finish()
    }
}
