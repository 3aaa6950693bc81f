//! Peers that misbehave on real sockets: each is found out by the limit made for it, in its time.

mod lateness;
mod peers;

use std::time::Duration;

use buttress::{
    chaos::proxy::{Direction, Toxic},
    core::Phase,
    prelude::*,
    timeout::ConnectTimeout,
};
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use lateness::Lateness;
use peers::{Endless, FullBacklog, Peer};
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};

const LIMIT: Duration = Duration::from_millis(300);
/// Far beyond what the limit in question allows: never what ends a call here, but where it is.
const LONG: Duration = Duration::from_secs(20);

fn phase(error: &BoxError) -> Option<Phase> {
    match Rejection::find(error.as_ref())?.kind() {
        RejectionKind::TimedOut { phase, .. } => Some(*phase),
        _ => None,
    }
}

fn client<B>() -> Client<ConnectTimeout<HttpConnector>, B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let connect = ConnectTimeoutLayer::new(LIMIT).unwrap();
    Client::builder(TokioExecutor::new()).build(connect.layer(HttpConnector::new()))
}

fn get(uri: &Uri) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test]
async fn one_that_accepts_and_never_answers_passes_the_response_limit() {
    let (peer, lateness) = (Peer::start().await, Lateness::watch());
    peer.fails(Toxic::blackhole());
    let limits = TimeoutLayer::builder().response(LIMIT).overall(LONG).protocol(Http::new());
    let service = ServiceBuilder::new().layer(limits.build().unwrap()).service(client());
    let start = Instant::now();
    let error = service.oneshot(get(peer.uri())).await.unwrap_err();
    lateness.assert_in_time(start, LIMIT);
    assert_eq!(phase(&error), Some(Phase::Response), "{error}");
}

#[tokio::test]
async fn one_that_stalls_after_the_head_passes_the_read_limit() {
    let (peer, lateness) = (Peer::start().await, Lateness::watch());
    let limits = TimeoutLayer::builder().read(LIMIT).overall(LONG).protocol(Http::new());
    let service = ServiceBuilder::new().layer(limits.build().unwrap()).service(client());
    let mut body = service.oneshot(get(peer.uri())).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    peer.fails(Toxic::blackhole());
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    lateness.assert_in_time(start, LIMIT);
    assert_eq!(phase(&error), Some(Phase::Read), "{error}");
    assert!(body.frame().await.is_none(), "one error, and then nothing");
}

#[tokio::test]
async fn one_that_drips_for_ever_passes_the_overall_limit() {
    let (peer, lateness) = (Peer::start().await, Lateness::watch());
    let overall = Duration::from_millis(2_500);
    let limits = TimeoutLayer::builder().read(LONG).overall(overall).protocol(Http::new());
    let service = ServiceBuilder::new().layer(limits.build().unwrap()).service(client());
    let start = Instant::now();
    let body = service.oneshot(get(peer.uri())).await.unwrap().into_body();
    let mut body = std::pin::pin!(body);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    peer.fails(Toxic::bandwidth(1).unwrap());
    let mut drops = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(_) => drops += 1,
            Err(error) => break error,
        }
    };
    lateness.assert_in_time(start, overall);
    assert!((1..=4).contains(&drops), "a byte a second: {drops}");
    assert_eq!(phase(&error), Some(Phase::Overall), "{error}");
}

#[tokio::test]
async fn one_that_never_reads_the_request_passes_the_write_limit() {
    let (peer, lateness) = (Peer::start().await, Lateness::watch());
    peer.fails(Toxic::blackhole().on(Direction::Upstream));
    let overall = TimeoutLayer::builder().overall(LONG).protocol(Http::new()).build().unwrap();
    let transfer = TransferTimeoutLayer::builder().write(LIMIT).build().unwrap();
    let service = ServiceBuilder::new().layer(overall).layer(transfer).service(client());
    let (body, last) = Endless::new();
    let request = Request::builder().method(Method::POST).uri(peer.uri()).body(body).unwrap();
    let error = service.oneshot(request).await.unwrap_err();
    lateness.assert_in_time(last.given(), LIMIT);
    assert_eq!(phase(&error), Some(Phase::Write), "{error}");
}

#[tokio::test]
async fn one_whose_backlog_is_full_passes_the_connect_limit() {
    let (peer, lateness) = (FullBacklog::start().await, Lateness::watch());
    let start = Instant::now();
    let error = client().oneshot(get(peer.uri())).await.unwrap_err();
    lateness.assert_in_time(start, LIMIT);
    assert!(error.is_connect());
    let error: BoxError = error.into();
    assert_eq!(phase(&error), Some(Phase::Connect), "{error}");
    assert!(error.is::<Error>(), "hyper-util's own error, ours in its chain");
}

#[tokio::test]
async fn reqwest_too_says_that_it_was_the_connection_and_the_time() {
    let (peer, lateness) = (FullBacklog::start().await, Lateness::watch());
    let connect = ConnectTimeoutLayer::new(LIMIT).unwrap();
    let client = reqwest::Client::builder().connector_layer(connect).no_proxy().build().unwrap();
    let start = Instant::now();
    let error = client.get(peer.uri().to_string()).send().await.unwrap_err();
    lateness.assert_in_time(start, LIMIT);
    assert!(error.is_connect() && error.is_timeout(), "{error:?}");
    let error: BoxError = error.into();
    assert_eq!(phase(&error), Some(Phase::Connect), "{error}");
}
