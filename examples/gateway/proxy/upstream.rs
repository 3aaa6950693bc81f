//! The clients of upstreams.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
};
use hyper_util::{
    client::legacy::{
        Builder, Error, ResponseFuture,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tower::Service;

use super::{Settings, route::Speaks};

/// How long an upstream of HTTP/2 may be silent during a call before it is asked whether it is there, and
/// how long it then may be silent still: all calls share its connection, and would go on to share one that
/// leads nowhere.
const SILENT: Duration = Duration::from_secs(10);

pub(crate) fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

/// A client of hyper-util, at the cost of a pointer: each layer clones what is inside it for each call,
/// and the client by itself is large.
#[derive(Debug)]
pub(crate) struct Client<C, B>(Arc<hyper_util::client::legacy::Client<C, B>>);

impl<C, B> Client<C, B>
where
    C: Connect + Clone,
    B: Body<Data: Buf + Send> + Send,
{
    /// Its own repetition stays on: of a request that never left, for the pooled connection that it was
    /// meant for turned out to be closed, which a retry does not hear of.
    pub(crate) fn new(speaks: Speaks, settings: &Settings, connector: C) -> Self {
        let mut builder: Builder =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.unused)
            .timer(TokioTimer::new())
            .http2_only(speaks == Speaks::H2)
            .http2_keep_alive_interval(SILENT)
            .http2_keep_alive_timeout(SILENT)
            .http2_adaptive_window(true);
        Self(Arc::new(builder.build(connector)))
    }
}

impl<C, B> Clone for Client<C, B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, B> Service<Request<B>> for Client<C, B>
where
    C: Connect + Clone + Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    /// As the client's own: it waits for nothing before it is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.0.request(request)
    }
}
