//! What was asked of an inner service before there is a call.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::BoxError;

/// What a layer has asked of its inner service in `poll_ready`, for the call that follows.
///
/// Buttress layers are always ready, and claim the readiness of what they wrap inside the call; see
/// [`ReadyCall`](crate::ReadyCall). This is for one that was told to wait in `poll_ready` all the same:
/// then an error of readiness still is the next call's, and what the inner service holds for a call
/// that is not made is given back.
#[derive(Default)]
pub struct Claim {
    of_inner: OfInner,
}

#[derive(Default)]
enum OfInner {
    #[default]
    Nothing,
    /// It is ready, or on its way to be: it may hold something.
    Asked,
    Failed(BoxError),
}

impl Claim {
    /// Asks the inner service. Ready as well once it has failed: its error is kept for the next call.
    pub fn poll<S, Req>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Service<Req>,
        S::Error: Into<BoxError>,
    {
        if let OfInner::Failed(_) = self.of_inner {
            return Poll::Ready(());
        }
        // Before it is asked, for it may panic.
        self.of_inner = OfInner::Asked;
        inner.poll_ready(cx).map(|ready| {
            if let Err(error) = ready {
                self.of_inner = OfInner::Failed(error.into());
            }
        })
    }

    /// A call uses up what was asked for: the error, or else the readiness.
    pub fn take_error(&mut self) -> Option<BoxError> {
        match mem::take(&mut self.of_inner) {
            OfInner::Failed(error) => Some(error),
            OfInner::Nothing | OfInner::Asked => None,
        }
    }

    /// No call is made: what the inner service may hold for it is given back, by putting in its place a
    /// clone, which has asked for nothing yet.
    pub fn release<S: Clone>(&mut self, inner: &mut S) {
        if !matches!(self.of_inner, OfInner::Nothing) {
            *inner = inner.clone();
            self.of_inner = OfInner::Nothing;
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of_inner {
            OfInner::Nothing => "Claim(nothing)",
            OfInner::Asked => "Claim(asked)",
            OfInner::Failed(_) => "Claim(failed)",
        })
    }
}
