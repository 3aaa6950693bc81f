//! What becomes of the connection of a response that is replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress::{
    core::{Event, EventKind},
    prelude::*,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tower::ServiceBuilder;

use crate::{
    client::{Speaks, hyper, send},
    server::{Reaction, Server},
};

/// Longer than a rest is read for.
const WAIT: Duration = Duration::from_millis(100);

fn retry(retrying: Arc<Notify>) -> JitteredRetryLayer<Http> {
    JitteredRetryLayer::builder()
        .backoff(Backoff::constant(WAIT))
        .jitter(Jitter::None)
        .protocol(Http::new())
        .observer(move |event: &Event<'_>| {
            if let EventKind::Retrying { .. } = event.kind {
                retrying.notify_one();
            }
        })
        .build()
        .unwrap()
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// Answers two of three requests with a 503, whose page comes only after its head was judged.
async fn answers(mut stream: TcpStream, judged: Arc<Notify>, counts: Arc<Counts>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        let serves = counts.requests.fetch_add(1, Ordering::SeqCst) % 3 == 2;
        let status = if serves { "200 OK" } else { "503 Not Now" };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        if !serves {
            judged.notified().await;
        }
        // A client that has closed the connection is what is looked for.
        let _ = stream.write_all(b"page").await;
    }
}

/// A short page is read to its end, also where it comes after its head, so the connection can be
/// used again. On a machine that stands still for a moment one may be given up.
#[tokio::test]
async fn a_connection_of_http_1_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let (counts, judged) = (Arc::new(Counts::default()), Arc::new(Notify::new()));
    let (seen, gate) = (Arc::clone(&counts), Arc::clone(&judged));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answers(stream, Arc::clone(&gate), Arc::clone(&seen)));
        }
    });
    let client =
        ServiceBuilder::new().layer(retry(judged)).service(hyper::<Full<Bytes>>(Speaks::H1));
    for _ in 0..5 {
        let request = Request::get(&uri).body(Full::default()).unwrap();
        assert_eq!(send(&client, request).await.status(), StatusCode::OK);
    }
    server.abort();
    let [requests, connections] =
        [&counts.requests, &counts.connections].map(|count| count.load(Ordering::SeqCst));
    // Each of the ten failures would cost one.
    assert!(requests == 15 && connections <= 5, "{connections} connections, {requests} requests");
}

/// A long page is not worth that.
#[tokio::test]
async fn a_long_page_is_not_read_for_its_connection() {
    let server = Server::start(move |number| {
        let page = Full::from("x".repeat(1 << 20));
        let status = if number < 2 { 503 } else { 200 };
        Reaction::Answers(Response::builder().status(status).body(page).unwrap())
    })
    .await;
    let client =
        ServiceBuilder::new()
            .layer(retry(Arc::new(Notify::new())))
            .service(hyper::<Full<Bytes>>(Speaks::H1));
    let request = Request::get(&server.uri).body(Full::default()).unwrap();
    assert_eq!(send(&client, request).await.status(), StatusCode::OK);
    assert_eq!((server.requests(), server.connections()), (3, 3));
}
