//! A server whose answers begin well and break off.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buttress::{core::CircuitState, prelude::*};
use http::{StatusCode, Uri};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::{ServiceBuilder, ServiceExt};

use crate::{client, get, is_refusal};

const COUNTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";

/// Answers each request with this, and closes the connection; until it is dropped.
struct Server {
    uri: Uri,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                take_request(&mut stream).await;
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { uri, requests, _task: task }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// What was left unread would make a reset of the close.
async fn take_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
}

async fn ten_open_it(answer: &'static str) {
    let server = Server::start(answer).await;
    let breaker = BreakerLayer::builder().consecutive_failures(10).protocol(Http::new());
    let breaker = breaker.build().unwrap();
    let handle = breaker.handle();
    let service = ServiceBuilder::new().layer(breaker).service(client());
    for call in 1..=10 {
        let response = service.clone().oneshot(get(&server.uri)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let half = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(half, "half");
        assert_eq!(handle.state(), CircuitState::Closed, "call {call} has not failed yet");
        body.frame().await.unwrap().unwrap_err();
        let opened = handle.state() == CircuitState::Open;
        assert_eq!(opened, call == 10, "after call {call}");
    }
    let error = service.oneshot(get(&server.uri)).await.unwrap_err();
    assert!(is_refusal(error.as_ref()), "{error}");

    // Whatever had been sent would have come before this one.
    client().oneshot(get(&server.uri)).await.unwrap();
    assert_eq!(server.requests(), 11);
}

#[tokio::test]
async fn ten_bodies_of_ten_cut_short_of_their_length_open_it() {
    ten_open_it(COUNTED).await;
}

#[tokio::test]
async fn ten_bodies_of_ten_cut_between_chunks_open_it() {
    ten_open_it(CHUNKED).await;
}
