//! What fails, and what is known of it.

use std::time::Duration;

use axum::body::Body;
use buttress::{
    chaos::proxy::Toxic,
    core::{CircuitState, Phase},
    prelude::*,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    shop::{LONG, Shop, client, read},
    upstream::{Upstream, closed_port, status},
};

const LIMIT: Duration = Duration::from_millis(100);

/// The phase whose limit passed, by whoever is named in the chain of the error.
fn phase(error: &BoxError) -> Option<Phase> {
    match Rejection::find(error.as_ref())?.kind() {
        RejectionKind::TimedOut { phase, .. } => Some(*phase),
        _ => None,
    }
}

#[tokio::test]
async fn what_hangs_is_cut_by_our_limit() {
    let upstream = Upstream::start(async |_| status(200)).await;
    let (proxy, url) = upstream.by_proxy().await;
    proxy.handle().add("hangs", Toxic::blackhole()).unwrap();
    let shop = Shop::new(client(), LIMIT);
    let error = shop.get(&url).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Overall), "{error}");
    assert_eq!(shop.bulkhead.in_flight(), 0);
}

/// Their head said that all was well.
#[tokio::test]
async fn bodies_that_break_off_open_the_breaker() {
    let upstream = Upstream::start(async |_| Response::new(Body::from("x".repeat(4096)))).await;
    let (proxy, url) = upstream.by_proxy().await;
    // More than a head, and less than the whole.
    proxy.handle().add("breaks off", Toxic::limit_data(2048)).unwrap();
    let shop = Shop::new(client(), LONG);
    for call in 1..=2 {
        assert_eq!(shop.breaker.state(), CircuitState::Closed, "before call {call}");
        let response = shop.get(&url).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let error = read(response).await.unwrap_err();
        assert!(error.is::<reqwest::Error>(), "reqwest's own: {error:?}");
    }
    let error = shop.get(&url).await.unwrap_err();
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert!(matches!(rejection.kind(), RejectionKind::CircuitOpen { .. }), "{error}");
    assert_eq!(upstream.seen().len(), 2);
}

/// Has room for no further connection, and takes none: a proxy would accept them.
async fn full_backlog() -> (TcpListener, Vec<TcpStream>) {
    let listener = closed_port().listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // A handshake that nobody answers is repeated after a second; before that it says nothing.
    while let Ok(stream) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 1_000, "the backlog is never full");
    }
    (listener, waiting)
}

/// So it is repeated, even if it is a POST, until the breaker opens; and the error that comes out is
/// reqwest's, which says that it was the connection and the time, with our limit in its chain.
#[tokio::test]
async fn a_connection_that_takes_too_long_proves_that_nothing_was_sent() {
    let (listener, _waiting) = full_backlog().await;
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connect = ConnectTimeoutLayer::new(LIMIT).unwrap();
    let client = reqwest::Client::builder().no_proxy().connector_layer(connect).build().unwrap();
    let shop = Shop::new(client, LONG);
    let post = || Request::post(&url).body(Full::from("an order")).unwrap();
    let error = shop.send(post()).await.unwrap_err();
    assert_eq!((shop.delays().len(), shop.breaker.state()), (2, CircuitState::Open));
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert!(matches!(rejection.kind(), RejectionKind::CircuitOpen { .. }), "{error}");

    shop.breaker.force_closed();
    let error = shop.send(post()).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Connect), "{error}");
    let error = error.downcast::<reqwest::Error>().expect("reqwest's own");
    assert!(error.is_connect() && error.is_timeout(), "{error:?}");
}
