//! In front of a client: a place is had until the answer has been read, or will not be.

use axum::{Router, routing::get};
use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::{MILLISECOND, client, get as request, server::Server, stage::Stage, within_patience};

/// A client with one place, and its bulkhead.
fn one_place() -> (
    impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl Body<Data = Bytes, Error = BoxError> + Unpin>,
        Error = BoxError,
    > + Clone,
    BulkheadHandle,
) {
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new());
    let bulkhead = bulkhead.build().unwrap();
    let handle = bulkhead.handle();
    (ServiceBuilder::new().layer(bulkhead).service(client()), handle)
}

/// A server of bodies of so many frames.
async fn start(frames: usize) -> (Server, Stage) {
    let stage = Stage::new();
    let play = stage.clone();
    let serve = get(async move || play.body(frames, MILLISECOND));
    (Server::start(Router::new().route("/", serve)).await, stage)
}

fn is_full(error: &BoxError) -> bool {
    let kind = Rejection::find(error.as_ref()).map(Rejection::kind);
    matches!(kind, Some(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }))
}

#[tokio::test]
async fn a_place_is_had_until_the_answer_has_been_read() {
    let (server, stage) = start(3).await;
    let (client, handle) = one_place();
    let ask = async || within_patience(client.clone().oneshot(request(&server.uri("/")))).await;

    let mut body = ask().await.unwrap().into_body();
    for _ in 0..3 {
        assert!(ask().await.is_err_and(|error| is_full(&error)));
        within_patience(body.frame()).await.expect("a frame").unwrap();
    }
    assert!(ask().await.is_err_and(|error| is_full(&error)), "all was read but the end");
    stage.let_them_end();
    assert!(within_patience(body.frame()).await.is_none());
    assert_eq!(handle.in_flight(), 0, "while the body still exists");

    let next = ask().await.unwrap();
    assert_eq!(handle.in_flight(), 1);
    next.into_body().collect().await.unwrap();
    assert_eq!((handle.in_flight(), stage.ever(), stage.most()), (0, 2, 1));
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_read_gives_it_back() {
    let (server, stage) = start(usize::MAX).await;
    let (client, handle) = one_place();
    for n in 1..=5 {
        let call = client.clone().oneshot(request(&server.uri("/")));
        let mut body = within_patience(call).await.unwrap().into_body();
        within_patience(body.frame()).await.expect("a frame").unwrap();
        assert_eq!((handle.in_flight(), stage.ever()), (1, n));
        drop(body);
        assert_eq!(handle.in_flight(), 0);
    }
}

/// Answers one request with this, waits until it is told, and is gone.
async fn is_killed_in_mid_body(answer: &'static str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while !stream.read_u8().await.is_ok_and(|byte| byte == b'\n') {}
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (client, handle) = one_place();
    let call = within_patience(client.clone().oneshot(request(&uri)));
    let response = call.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let half = within_patience(body.frame()).await.expect("a frame").unwrap();
    assert_eq!(half.into_data().unwrap(), "half");
    assert_eq!(handle.in_flight(), 1);

    upstream.abort();
    within_patience(body.frame()).await.expect("it breaks off").unwrap_err();
    assert_eq!(handle.in_flight(), 0, "while the body still exists");

    // And there is nobody any more.
    within_patience(client.oneshot(request(&uri))).await.err().expect("refused");
    assert_eq!((handle.in_flight(), handle.snapshot().admitted), (0, 2));
}

#[tokio::test]
async fn an_upstream_that_is_killed_in_mid_body_gives_it_back() {
    is_killed_in_mid_body("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    is_killed_in_mid_body(chunked).await;
}
