//! What the gateways are in front of. It can be made to fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::Path, response::IntoResponse, routing::get};
use http::StatusCode;
use tokio::{net::TcpListener, task::JoinSet};

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    down: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let down = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&down);
        let price = async move |Path(product): Path<u32>| {
            if is_down.load(Ordering::SeqCst) {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            text(product).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{product}", get(price));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, down, _task: task }
    }

    /// Fails from now on.
    pub(crate) fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// Works again.
    pub(crate) fn recover(&self) {
        self.down.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn text(product: u32) -> String {
    format!("product {product} costs {}", product * 7 + 100)
}
