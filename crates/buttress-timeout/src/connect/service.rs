//! The service.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, ReadyCall, Reporter};
use tower_service::Service;

use super::{ConnectFuture, future::Limit};

/// A connector whose connections are made in time or not at all; made by
/// [`ConnectTimeoutLayer`](super::ConnectTimeoutLayer).
#[derive(Debug, Clone)]
pub struct ConnectTimeout<S> {
    inner: S,
    limit: Option<Duration>,
    reporter: Reporter,
}

impl<S> ConnectTimeout<S> {
    pub(super) fn new(inner: S, limit: Option<Duration>, reporter: Reporter) -> Self {
        Self { inner, limit, reporter }
    }

    /// The inner connector.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner connector, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner connector, out of this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Dst> Service<Dst> for ConnectTimeout<S>
where
    S: Service<Dst> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ConnectFuture<S, Dst>;

    /// Always ready: the connector's readiness is claimed inside the call, under its limit.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Dst) -> Self::Future {
        // Set before the connector is called, whose own call may take its time.
        let limit = self.limit.map(Limit::begin);
        let connecting = ReadyCall::start(&mut self.inner, destination);
        ConnectFuture::new(connecting, limit, self.reporter.clone())
    }
}
