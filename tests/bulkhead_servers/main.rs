//! The bulkhead around real servers, and in front of them: what it counts are bodies, not heads.

mod compartments;
mod hang_ups;
mod one_at_a_time;
mod routes;
mod server;
mod stage;
mod streams;
mod upstreams;

use std::time::Duration;

use buttress::prelude::*;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::{Instant, sleep, timeout};
use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server puts around its handlers.
type Guard<P = Http> = ServiceBuilder<Stack<BulkheadLayer<P>, Stack<RespondLayer, Identity>>>;

/// A bulkhead that refuses at once, with the layer that makes responses of its refusals.
fn guard(limit: usize) -> (Guard, BulkheadHandle) {
    let bulkhead = BulkheadLayer::builder().max_concurrent(limit).protocol(Http::new());
    let bulkhead = bulkhead.build().unwrap();
    let handle = bulkhead.handle();
    (ServiceBuilder::new().layer(RespondLayer::new()).layer(bulkhead), handle)
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(uri: &Uri) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

async fn ask(client: Client<HttpConnector, Full<Bytes>>, uri: Uri) -> Response<Incoming> {
    within_patience(client.request(get(&uri))).await.unwrap()
}

/// All of a body, which must be whole.
async fn read(response: Response<Incoming>) -> (StatusCode, HeaderMap, Bytes) {
    let (head, body) = response.into_parts();
    let body = within_patience(body.collect()).await.unwrap().to_bytes();
    (head.status, head.headers, body)
}

/// The whole seconds after which one who was refused is told to come back.
fn retry_after(headers: &HeaderMap) -> u64 {
    headers[RETRY_AFTER].to_str().unwrap().parse().expect("whole seconds")
}

/// What comes of it; if nothing does, the test fails and does not hang.
async fn within_patience<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it ends")
}

/// Waits until it holds, and says how long that took.
async fn until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        sleep(MILLISECOND).await;
    }
    start.elapsed()
}
