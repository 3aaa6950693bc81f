//! How a response is got rid of that another attempt is to replace.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use http::{HeaderMap, Response, Version, header::CONNECTION};
use http_body::Body;
use pin_project::pin_project;
use tokio::time::{Sleep, sleep};

/// The most that is read: a page that says why, and no more than a connection takes to make.
const MOST_BYTES: usize = 16 * 1024;

/// What a frame counts for at the least.
const LEAST_FRAME: usize = 64;

/// The longest that is read for. What comes with the head is here by then; what does not would
/// keep its place in a bulkhead for longer than a new connection takes.
const LONGEST: Duration = Duration::from_millis(50);

/// Reads the short rest of a response, so that its connection can be used again.
///
/// Over HTTP/1 a connection whose response was not read to its end must be closed. So the rest is
/// read, if it may be at most 16 KiB, for at most 50 ms; then it is dropped, as it is at once where
/// the connection is closed in any case, and over HTTP/2, where the stream alone is closed.
#[pin_project]
pub struct Discarding<B> {
    #[pin]
    body: B,
    left: usize,
    // Made where the body made its reader wait.
    #[pin]
    timer: Option<Sleep>,
}

/// Drops the response, or gives what reads its rest.
pub(crate) fn response<B: Body>(response: Response<B>) -> Option<Discarding<B>> {
    let body = response.body();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let reads = response.version() == Version::HTTP_11
        && !closes(response.headers())
        && !body.is_end_stream()
        && body.size_hint().lower() <= most;
    reads.then(|| Discarding { body: response.into_body(), left: MOST_BYTES, timer: None })
}

/// Whether the connection is closed in any case.
fn closes(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("close"))
}

impl<B: Body> Future for Discarding<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            let Some(Ok(frame)) = frame else { return Poll::Ready(()) };
            let Some(data) = frame.data_ref() else { return Poll::Ready(()) };
            // A frame that holds next to nothing costs all the same: there may be any number of them.
            let size = data.remaining().max(LEAST_FRAME);
            let Some(left) = this.left.checked_sub(size) else { return Poll::Ready(()) };
            *this.left = left;
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep(LONGEST)));
        }
        if let Some(timer) = this.timer.as_pin_mut() {
            ready!(timer.poll(cx));
        }
        Poll::Ready(())
    }
}

impl<B> fmt::Debug for Discarding<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discarding").field("left", &self.left).finish_non_exhaustive()
    }
}
