//! The stack around an axum router.

use axum::Router;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, task::JoinSet};

use super::forward::Forward;
use crate::{failure::Failure, layers::Layers, seen, table::Version, upstream::Upstream};

pub(crate) async fn sees(failure: Failure, version: Version) -> String {
    let upstream = Upstream::start(failure).await;
    let layers = Layers::that(failure);
    let router = Router::new()
        .fallback_service(Forward::to(upstream.address, version))
        .layer(layers.of_server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async { axum::serve(listener, router).await });

    let http2 = version == Version::H2;
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let request = seen::request_in_time(failure, format!("http://{address}/"));
    seen::result(client.request(request).await, &upstream).await
}
