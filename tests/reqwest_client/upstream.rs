//! A server that answers by a script, and writes down what it got.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::body::{Body, to_bytes};
use buttress::chaos::proxy::FaultProxy;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};

/// A request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Listens until it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _server: JoinSet<()>,
}

impl Upstream {
    /// Answers the request of this number, counted from 0.
    pub(crate) async fn start<F, Fut>(answer: F) -> Self
    where
        F: Fn(usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn serve<F, Fut>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let book = Arc::clone(&seen);
        let handler = async move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let number = {
                let mut book = book.lock().unwrap();
                book.push(Seen { method: head.method, headers: head.headers, body });
                book.len() - 1
            };
            answer(number).await
        };
        let router = axum::Router::new().fallback(handler);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, address, seen, _server: server }
    }

    /// A proxy before it, whose network fails on demand, and the way by it.
    pub(crate) async fn by_proxy(&self) -> (FaultProxy, String) {
        let proxy = FaultProxy::builder(self.address).start().await.unwrap();
        let url = format!("http://{}/", proxy.address());
        (proxy, url)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A port that nobody else gets, and on which nobody listens yet.
pub(crate) fn closed_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

pub(crate) fn status(status: u16) -> Response<Body> {
    Response::builder().status(status).body(Body::from("a short page")).unwrap()
}
