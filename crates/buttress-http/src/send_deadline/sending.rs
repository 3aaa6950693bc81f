//! The moment at which a request is handed over.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, Rejection};
use http::Request;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use super::{headers, layer::Shared};

/// A service that writes the headers when it is called, which is when the inner one is ready: only
/// then is it known what remains.
#[derive(Clone)]
pub(super) struct Sending<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

/// A request that is to be sent, and its deadline.
pub(super) struct Outgoing<B> {
    pub(super) request: Request<B>,
    pub(super) deadline: Option<Deadline>,
}

impl<S, B> Service<Outgoing<B>> for Sending<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Sent<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, outgoing: Outgoing<B>) -> Self::Future {
        let Outgoing { mut request, deadline } = outgoing;
        let mut told = None;
        if let Some(deadline) = deadline {
            let (now, headers) = (Instant::now(), request.headers_mut());
            let remaining = deadline.remaining_at(now);
            let Some(written) = headers::write(headers, self.shared.header(), remaining) else {
                // Gives back the readiness that was claimed and is not used.
                self.inner = self.inner.clone();
                return Sent::Refused(Some(self.shared.refuse()));
            };
            // Of less than remains, which the request itself asked for, nobody outside knows.
            let deadline = deadline.min(Deadline::after_instant(now, written));
            told = headers::told(headers).map(|said| Told {
                deadline,
                until: Deadline::after_instant(now, said),
                shared: Arc::clone(&self.shared),
            });
        }
        Sent::Called(self.inner.call(request), told)
    }
}

/// What a gRPC client was told, which may end the call by it: tonic's does.
pub(super) struct Told {
    deadline: Deadline,
    /// When the time in the header is up, which was rounded: not later than the deadline.
    until: Deadline,
    shared: Arc<Shared>,
}

impl Told {
    /// Whether this error of the call may be only the client's way to say that the time is up.
    fn explains(&self, error: &BoxError) -> bool {
        self.until.is_past() && Rejection::find(error.as_ref()).is_none()
    }
}

/// The error of a client that ended a call when its time was up, which is left to the one outside
/// whose time it was.
pub(super) struct Late {
    error: BoxError,
    told: Told,
    grace: Pin<Box<Sleep>>,
}

/// What became of a request when it was to be handed over.
#[pin_project(project = SentProj)]
pub(super) enum Sent<F> {
    Called(#[pin] F, Option<Told>),
    // Boxed, for a call that goes well never enters it.
    Late(Option<Box<Late>>),
    Refused(Option<Rejection>),
}

impl<F, T, E> Future for Sent<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let SentProj::Called(future, told) = self.as_mut().project() {
            let error = match ready!(future.poll(cx)).map_err(Into::into) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => error,
            };
            let Some(told) = told.take().filter(|told| told.explains(&error)) else {
                return Poll::Ready(Err(error));
            };
            // Else somebody outside ends the call anyway, and says whose time it was.
            if !told.deadline.is_enforced() {
                return Poll::Ready(Err(told.shared.late(error).into()));
            }
            // From now on, if it is late already: he may have been asked this late himself.
            let from = told.deadline.instant().max(Instant::now());
            let late = Late { error, told, grace: Box::pin(sleep_until(from + Deadline::GRACE)) };
            self.set(Self::Late(Some(Box::new(late))));
        }
        match self.project() {
            SentProj::Late(late) => {
                if let Some(late) = late.as_mut().filter(|late| late.told.deadline.is_enforced()) {
                    ready!(late.grace.as_mut().poll(cx));
                }
                let late = late.take().expect("ResponseFuture polled after it completed");
                Poll::Ready(Err(late.told.shared.late(late.error).into()))
            }
            SentProj::Refused(rejection) => {
                let rejection = rejection.take().expect("ResponseFuture polled after it completed");
                Poll::Ready(Err(rejection.into()))
            }
            SentProj::Called(..) => unreachable!("it returned, or is late"),
        }
    }
}
