//! A gateway that runs, and clients of it.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    bodies::AnyBody,
    proxy::{self, Layers, Settings},
    soon,
};

/// Which HTTP is spoken, by a client or to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    H1,
    H2,
}

/// What a client speaks, and what is spoken to the upstream.
pub(crate) const WAYS: [(Speaks, Speaks); 4] = [
    (Speaks::H1, Speaks::H1),
    (Speaks::H1, Speaks::H2),
    (Speaks::H2, Speaks::H1),
    (Speaks::H2, Speaks::H2),
];

/// Patient ones: what is slow in a test is the machine.
pub(crate) const SETTINGS: Settings = Settings {
    request: Duration::from_secs(20),
    max_connections: 1000,
    connect: Duration::from_secs(20),
    unused: Duration::from_secs(20),
    attempt: Duration::from_secs(20),
    read: Duration::from_secs(20),
    overall: Duration::from_secs(60),
    open_for: Duration::from_secs(60),
    max_concurrent: 1000,
    drain: Duration::from_secs(20),
};

/// Runs until it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinSet<()>,
}

impl Gateway {
    /// One with the layers, and these prefixes with their upstreams.
    pub(crate) async fn start(routes: &[(&str, &str)]) -> Self {
        Self::with(SETTINGS, Layers::Stack, routes).await
    }

    pub(crate) async fn with(settings: Settings, layers: Layers, routes: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let route = |(prefix, upstream): &(&str, &str)| format!("{prefix}={upstream}");
        let routes = routes.iter().map(|pair| route(pair).parse().unwrap()).collect();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            proxy::serve(listener, routes, layers, settings, stopped).await.unwrap();
        });
        Self { address, stop: Some(stop), serving }
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// Tells it to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has.
    pub(crate) async fn ended(&mut self) {
        soon("the gateway ends", self.serving.join_next()).await.unwrap().unwrap();
    }
}

pub(crate) type AnyClient = Client<HttpConnector, AnyBody>;

pub(crate) fn client(speaks: Speaks) -> AnyClient {
    Client::builder(TokioExecutor::new()).http2_only(speaks == Speaks::H2).build_http()
}

/// A response, and all of its body.
pub(crate) async fn send(client: &AnyClient, request: Request<AnyBody>) -> Response<Bytes> {
    let (head, body) = head(client, request).await.into_parts();
    let body = soon("the body comes", body.collect()).await.unwrap();
    Response::from_parts(head, body.to_bytes())
}

/// A response whose body is still to come.
pub(crate) async fn head(client: &AnyClient, request: Request<AnyBody>) -> Response<Incoming> {
    soon("there is a response", client.request(request)).await.unwrap()
}
