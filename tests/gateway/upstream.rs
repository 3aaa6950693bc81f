//! A hyper server, HTTP/1 and HTTP/2, that counts what it gets.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use buttress::{chaos::proxy::FaultProxy, prelude::BoxError};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    bodies::{AnyBody, full, same},
    running::Speaks,
};

pub(crate) type Answer = Result<Response<AnyBody>, BoxError>;

/// Listens until it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start<F>(
        answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (Arc::new(answer), Arc::clone(&requests));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                let service = service_fn(move |request| {
                    count.fetch_add(1, Ordering::SeqCst);
                    answer(request)
                });
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is part of the test.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, requests, _serving: serving }
    }

    /// One that answers each request with this status.
    pub(crate) async fn status(status: StatusCode) -> Self {
        Self::start(
            move |_| async move { Ok(Response::builder().status(status).body(full("a page"))?) },
        )
        .await
    }

    /// One that sends back what it is sent, as it comes.
    pub(crate) async fn echo() -> Self {
        Self::start(async |request| Ok(Response::new(same(request.into_body())))).await
    }

    /// What a route says of it.
    pub(crate) fn speaking(&self, speaks: Speaks) -> String {
        let protocol = if speaks == Speaks::H2 { "h2:" } else { "" };
        format!("{protocol}http://{}", self.address)
    }

    pub(crate) fn h1(&self) -> String {
        self.speaking(Speaks::H1)
    }

    /// A proxy before it, whose network fails on demand, and where it is by that.
    pub(crate) async fn by_proxy(&self) -> (FaultProxy, String) {
        by_proxy(self.address).await
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// A proxy before what is at this address, and where it is by that.
pub(crate) async fn by_proxy(address: SocketAddr) -> (FaultProxy, String) {
    let proxy = FaultProxy::builder(address).start().await.unwrap();
    let url = format!("http://{}", proxy.address());
    (proxy, url)
}
