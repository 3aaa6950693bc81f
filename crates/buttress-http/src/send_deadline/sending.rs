//! The moment at which a request is handed over.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{BoxError, Deadline, Rejection};
use http::Request;
use pin_project::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{headers, layer::Shared};
use crate::grpc;

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
            let Some(said) = headers::write(headers, self.shared.header(), remaining) else {
                // Gives back the readiness that was claimed and is not used.
                self.inner = self.inner.clone();
                return Sent::Refused(Some(self.shared.refuse()));
            };
            told = grpc::is_grpc(headers).then(|| Told {
                until: Deadline::after_instant(now, said),
                shared: Arc::clone(&self.shared),
            });
        }
        Sent::Called(self.inner.call(request), told)
    }
}

/// What a gRPC client was told, which may end the call by it: tonic's does.
pub(super) struct Told {
    /// When the time in the header is up, which was rounded: not later than the deadline.
    until: Deadline,
    shared: Arc<Shared>,
}

impl Told {
    /// The error of the call, which may be only the client's way to say that the time is up.
    fn name(&self, error: BoxError) -> BoxError {
        if !self.until.is_past() || Rejection::find(error.as_ref()).is_some() {
            return error;
        }
        self.shared.late(error).into()
    }
}

/// What became of a request when it was to be handed over.
#[pin_project(project = SentProj)]
pub(super) enum Sent<F> {
    Called(#[pin] F, Option<Told>),
    Refused(Option<Rejection>),
}

impl<F, T, E> Future for Sent<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SentProj::Called(future, told) => future.poll(cx).map_err(|error| {
                let error = error.into();
                match told {
                    Some(told) => told.name(error),
                    None => error,
                }
            }),
            SentProj::Refused(rejection) => {
                let rejection = rejection.take().expect("ResponseFuture polled after it completed");
                Poll::Ready(Err(rejection.into()))
            }
        }
    }
}
