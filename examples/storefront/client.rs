//! A gateway's client of one upstream, which counts what it sends.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use axum::http::{self, Request, Response, header::AUTHORIZATION};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, ResponseFuture, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::Service;

use crate::{
    measure::Meter,
    shop::{Upstream, Visit},
};

/// A request without a body.
pub(crate) type Ask = Request<Empty<Bytes>>;

/// hyper-util's client.
pub(crate) type PlainClient = Client<HttpConnector, Empty<Bytes>>;

/// A client that sends each request once: hyper-util's hidden repetition is off.
pub(crate) fn plain_client() -> PlainClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector)
}

/// A gateway's client of one upstream. It counts each request as it is sent, also one that no
/// connection can be had for.
#[derive(Clone)]
pub(crate) struct CountingClient {
    client: PlainClient,
    meter: Arc<Meter>,
    upstream: Upstream,
    address: SocketAddr,
}

impl CountingClient {
    pub(crate) fn new(upstream: Upstream, address: SocketAddr, meter: Arc<Meter>) -> Self {
        Self { client: plain_client(), meter, upstream, address }
    }

    pub(crate) fn upstream(&self) -> Upstream {
        self.upstream
    }

    /// What to send to the upstream for this visit.
    pub(crate) fn request(&self, visit: &Visit) -> http::Result<Ask> {
        let subject = visit.subject(self.upstream);
        let mut request = Request::get(format!("http://{}/{subject}", self.address));
        if let Some(token) = &visit.token {
            request = request.header(AUTHORIZATION, token);
        }
        request.body(Empty::new())
    }
}

impl Service<Ask> for CountingClient {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Ask>::poll_ready(&mut self.client, cx)
    }

    fn call(&mut self, request: Ask) -> ResponseFuture {
        self.meter.sent();
        self.client.call(request)
    }
}
