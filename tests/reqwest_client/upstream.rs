//! A server that answers by a script, and writes down what it got.

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use axum::body::{Body, to_bytes};
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
        let url = format!("http://{}/", listener.local_addr().unwrap());
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
        Self { url, seen, _server: server }
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
