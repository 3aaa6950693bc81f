//! The request body.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::upload::Teller;

/// A request body that tells its call how it moves; see the [module's page](super).
///
/// Frames, errors, `size_hint` and `is_end_stream` are those of the body inside. It is over for
/// its call at its end, its trailers, an error, a frame after which it says that it has ended,
/// and when it is dropped. It may be polled on any task.
///
/// Its `Default` is an empty body, if that of the body inside is, which no call listens to.
#[pin_project]
pub struct Watched<B> {
    #[pin]
    body: B,
    // Below the body, so that the upload is over when the body is gone. None once it is over, or
    // if nobody listens.
    teller: Option<Teller>,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, teller: Option<Teller>) -> Self {
        Self { body, teller }
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(cx);
        if let Some(teller) = this.teller.as_ref() {
            let over = match &frame {
                Poll::Pending => {
                    teller.asked();
                    false
                }
                Poll::Ready(frame) => {
                    teller.moved();
                    match frame {
                        Some(Ok(frame)) => frame.is_trailers() || this.body.is_end_stream(),
                        Some(Err(_)) | None => true,
                    }
                }
            };
            if over {
                *this.teller = None;
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Default> Default for Watched<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B> fmt::Debug for Watched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("teller", &self.teller).finish_non_exhaustive()
    }
}
