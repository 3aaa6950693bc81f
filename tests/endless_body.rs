//! A body that always has a frame, on a real socket: the limit holds, and the place comes back.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use buttress::prelude::*;
use bytes::Bytes;
use http_body::Frame;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::yield_now,
    time::timeout,
};
use tower::ServiceBuilder;

/// A body that always has a frame, and tells when it is dropped.
struct Endless(Arc<Notify>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8_192])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_body_that_never_pauses_is_cut_and_holds_no_place() {
    let http = Http::new();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
    let places = bulkhead.handle();
    let limit = TimeoutLayer::builder().overall(Duration::from_millis(100)).protocol(http);
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(limit.build().unwrap())
        .layer(bulkhead);
    let dropped = Arc::new(Notify::new());
    let endless = Arc::clone(&dropped);
    let handler = get(async move || Body::new(Endless(endless)));
    let router = Router::new().route("/", handler).layer(layers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    // Far longer than the limit: without one the body would go on for ever.
    timeout(Duration::from_secs(30), async {
        let mut buffer = vec![0; 65_536];
        while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        dropped.notified().await;
        while places.in_flight() > 0 {
            yield_now().await;
        }
    })
    .await
    .expect("the body was cut though it was always ready");
    server.abort();
}
