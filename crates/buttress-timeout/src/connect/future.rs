//! The future of a connection that is being made.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Phase, ReadyCall, RejectionKind, Reporter};
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

/// The future of [`ConnectTimeout`](super::ConnectTimeout).
///
/// It is `Unpin` whatever the connector's own is, which hyper-util asks of a connector. What that
/// costs, two small allocations, is nothing beside a connection.
pub struct ConnectFuture<S: Service<Dst>, Dst> {
    // None once it is over.
    connecting: Option<Pin<Box<ReadyCall<S, Dst>>>>,
    limit: Option<Limit>,
    // Made when the first poll was pending.
    timer: Option<Pin<Box<Sleep>>>,
    reporter: Reporter,
}

/// How long a connection may take, and when that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    length: Duration,
    due: Deadline,
}

impl Limit {
    /// A limit that begins now.
    pub(super) fn begin(length: Duration) -> Self {
        Self { length, due: Deadline::after(length) }
    }
}

impl<S: Service<Dst>, Dst> ConnectFuture<S, Dst> {
    pub(super) fn new(
        connecting: ReadyCall<S, Dst>,
        limit: Option<Limit>,
        reporter: Reporter,
    ) -> Self {
        Self { connecting: Some(Box::pin(connecting)), limit, timer: None, reporter }
    }
}

impl<S, Dst> Future for ConnectFuture<S, Dst>
where
    S: Service<Dst>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let connecting = this.connecting.as_mut().expect("ConnectFuture polled after it completed");
        let due = this.limit.map(|limit| limit.due);
        if let Poll::Ready(connected) = connecting.as_mut().poll_until(due, cx) {
            this.connecting = None;
            return Poll::Ready(connected.map_err(Into::into));
        }
        let Some(Limit { length, due }) = this.limit else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due.instant())));
        // The clock as well as the timer, as for a call.
        if timer.as_mut().poll(cx).is_pending() && !due.is_past() {
            return Poll::Pending;
        }
        Deadline::scope(Some(due), || this.connecting = None);
        let kind = RejectionKind::TimedOut { phase: Phase::Connect, limit: length };
        Poll::Ready(Err(this.reporter.reject(kind).into()))
    }
}

impl<S: Service<Dst>, Dst> fmt::Debug for ConnectFuture<S, Dst> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectFuture").field("limit", &self.limit).finish_non_exhaustive()
    }
}
