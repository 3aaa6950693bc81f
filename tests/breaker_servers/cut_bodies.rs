//! Answers that begin well and break off.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use buttress::{
    chaos::proxy::{FaultProxy, Toxic},
    core::CircuitState,
    prelude::*,
};
use futures_util::stream;
use http::{Response, StatusCode, header::CONTENT_LENGTH};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt};

use crate::{PATIENCE, client, get, is_refusal};

/// Answers each request with two frames, until it is dropped.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(framing: Framing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let answer = async move || {
            count.fetch_add(1, Ordering::SeqCst);
            let frames = stream::iter(["half", "rest"].map(Ok::<_, Infallible>));
            let mut response = Response::new(Body::from_stream(frames));
            if framing == Framing::Counted {
                response.headers_mut().insert(CONTENT_LENGTH, "halfrest".len().into());
            }
            response
        };
        let mut task = JoinSet::new();
        let router = Router::new().fallback(answer);
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, requests, _task: task }
    }

    /// How many bytes of its answer end with these.
    async fn bytes_until(&self, last: &str) -> u64 {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(last.as_bytes()) {
            answer.push(timeout(PATIENCE, stream.read_u8()).await.expect("it answers").unwrap());
        }
        answer.len() as u64
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// How it is known where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Counted,
    Chunked,
}

async fn ten_open_it(framing: Framing) {
    let server = Server::start(framing).await;
    let half = if framing == Framing::Counted { "half" } else { "half\r\n" };
    let cut = Toxic::limit_data(server.bytes_until(half).await);
    let proxy = FaultProxy::builder(server.address).start().await.unwrap();
    proxy.handle().add("cut", cut).unwrap();
    let uri = format!("http://{}/", proxy.address()).parse().unwrap();
    let breaker = BreakerLayer::builder().consecutive_failures(10).protocol(Http::new());
    let breaker = breaker.build().unwrap();
    let handle = breaker.handle();
    let service = ServiceBuilder::new().layer(breaker).service(client());
    for call in 1..=10 {
        let response = timeout(PATIENCE, service.clone().oneshot(get(&uri)))
            .await
            .expect("an answer")
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let half = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(half, "half");
        assert_eq!(handle.state(), CircuitState::Closed, "call {call} has not failed yet");
        timeout(PATIENCE, body.frame()).await.expect("it breaks off").unwrap().unwrap_err();
        let opened = handle.state() == CircuitState::Open;
        assert_eq!(opened, call == 10, "after call {call}");
    }
    let error = service.oneshot(get(&uri)).await.unwrap_err();
    assert!(is_refusal(error.as_ref()), "{error}");

    // Whatever had been sent would have come before this one.
    client().oneshot(get(&uri)).await.unwrap();
    assert_eq!(server.requests(), 1 + 11, "one of them to measure its answer");
}

#[tokio::test]
async fn ten_bodies_of_ten_cut_short_of_their_length_open_it() {
    ten_open_it(Framing::Counted).await;
}

#[tokio::test]
async fn ten_bodies_of_ten_cut_between_chunks_open_it() {
    ten_open_it(Framing::Chunked).await;
}
