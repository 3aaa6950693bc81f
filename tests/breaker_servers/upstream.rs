//! An upstream that can go down.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{Router, routing::get};
use buttress::chaos::proxy::FaultProxy;
use http::Uri;
use tokio::{net::TcpListener, task::JoinSet};

/// Answers each request with its number, from 1; it goes down and comes back by its proxy.
pub(crate) struct Upstream {
    pub(crate) proxy: FaultProxy,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::builder(listener.local_addr().unwrap()).start().await.unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let number = async move || (requests.fetch_add(1, Ordering::SeqCst) + 1).to_string();
        let router = Router::new().route("/", get(number));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { proxy, _serving: serving }
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}/", self.proxy.address()).parse().unwrap()
    }
}
