//! The gateway of the examples.

use std::{future::pending, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    failure::Failure,
    proxy::{self, Settings},
    seen,
    table::Version,
    upstream::Upstream,
};

/// The failures in a row that open the breaker of a gateway.
const OPENS: usize = 5;

pub(crate) async fn sees(failure: Failure, version: Version) -> String {
    // What its breaker and its bulkhead need to refuse a call are calls that fail, or hang.
    let upstream = Upstream::start(match failure {
        Failure::BreakerOpen => Failure::Unavailable,
        Failure::BulkheadFull => Failure::HungHead,
        failure => failure,
    })
    .await;
    let gateway = Gateway::start(failure, version, upstream.address).await;
    let mut calls = JoinSet::new();
    if failure == Failure::BreakerOpen {
        for _ in 0..OPENS {
            gateway.call(failure).await.unwrap();
        }
    }
    if failure == Failure::BulkheadFull {
        // One of them is refused, or one after the other is: then the place is taken.
        let first = gateway.clone();
        let second = gateway.clone();
        calls.spawn(async move { first.call(failure).await });
        calls.spawn(async move { second.call(failure).await });
        return seen::result(calls.join_next().await.unwrap().unwrap(), &upstream).await;
    }
    seen::result(gateway.call(failure).await, &upstream).await
}

#[derive(Clone)]
struct Gateway {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Gateway {
    async fn start(failure: Failure, version: Version, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = Duration::from_secs(30);
        let settings = Settings {
            request: Duration::from_secs(20),
            max_connections: 1000,
            connect: long,
            unused: long,
            attempt: failure.limit(),
            read: failure.limit(),
            overall: failure.limit(),
            open_for: Duration::from_secs(60),
            max_concurrent: 1,
            drain: Duration::ZERO,
        };
        let protocol = if version == Version::H2 { "h2:" } else { "" };
        let routes = vec![format!("/={protocol}http://{upstream}").parse().unwrap()];
        // Until the runtime of the test is shut down.
        tokio::spawn(proxy::serve(listener, routes, proxy::Layers::Stack, settings, pending()));
        let http2 = version == Version::H2;
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        Self { address, client }
    }

    async fn call(&self, failure: Failure) -> Result<Response<Incoming>, Error> {
        let request: Request<_> =
            seen::request_in_time(failure, format!("http://{}/", self.address));
        self.client.request(request).await
    }
}
