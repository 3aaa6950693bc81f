//! A server on a socket.

use std::net::SocketAddr;

use axum::Router;
use http::Uri;
use tokio::{net::TcpListener, task::JoinSet};

/// Serves a router, HTTP/1 and HTTP/2, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, _task: task }
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}
