//! HTTP/2 clients that reset streams, and connections that end with streams in mid-body.

use std::collections::HashSet;

use axum::{Router, routing::get};
use buttress::prelude::BulkheadHandle;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    MILLISECOND, get as request, guard, hang_ups::Promptness, server::Server, stage::Stage, until,
    within_patience,
};

const STREAMS: usize = 4;
const TRIES: usize = 20;

/// A client's connection.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: JoinSet<()>,
}

impl Connection {
    async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async { drop(connection.await) });
        Self { sender, task }
    }

    /// A response whose first frame is here.
    async fn in_mid_body(&mut self, server: &Server) -> Incoming {
        let response = self.sender.send_request(request(&server.uri("/")));
        let response = within_patience(response).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        within_patience(body.frame()).await.expect("a frame").unwrap();
        body
    }
}

/// A server whose bodies have so many frames.
async fn start(frames: usize, places: usize) -> (Server, Stage, BulkheadHandle) {
    let (stage, (guard, handle)) = (Stage::new(), guard(places));
    let play = stage.clone();
    let serve = get(async move || play.body(frames, 5 * MILLISECOND)).layer(guard);
    (Server::start(Router::new().route("/", serve)).await, stage, handle)
}

/// Bodies of so many frames have their places until they are reset, each for itself.
async fn a_reset_frees_the_place(frames: usize) {
    let (server, stage, handle) = start(frames, 1).await;
    let mut connection = Connection::open(&server).await;
    let mut promptness = Promptness::default();
    for n in 1..=TRIES {
        // On the one connection: it has not suffered by the reset before.
        let body = connection.in_mid_body(&server).await;
        assert_eq!((stage.ever(), stage.now(), handle.in_flight()), (n, 1, 1));
        drop(body);
        promptness.see(&handle).await;
        assert_eq!(stage.now(), 0, "the body went first");
        if n > 1 && promptness.is_shown() {
            break;
        }
    }
    assert!(promptness.is_shown());
    assert!(!connection.task.is_empty() && connection.task.try_join_next().is_none());
    assert_eq!(handle.snapshot().rejected.full, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_that_is_reset_while_frames_are_written() {
    a_reset_frees_the_place(usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_that_is_reset_while_its_body_says_nothing() {
    a_reset_frees_the_place(1).await;
}

/// Its neighbours keep theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reset_frees_one_place_and_no_other() {
    let (server, stage, handle) = start(1, STREAMS).await;
    let mut connection = Connection::open(&server).await;
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        bodies.push(connection.in_mid_body(&server).await);
    }
    let refused = connection.sender.send_request(request(&server.uri("/"))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(bodies.remove(1));
    until("one place comes back", || handle.in_flight() == STREAMS - 1).await;
    assert_eq!(stage.now(), STREAMS - 1);
    stage.let_them_end();
    for body in bodies {
        within_patience(body.collect()).await.unwrap();
    }
    assert_eq!((stage.most(), stage.now(), handle.in_flight()), (STREAMS, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_is_dropped_frees_the_places_of_all_its_streams() {
    for frames in [1, usize::MAX] {
        let (server, stage, handle) = start(frames, STREAMS).await;
        let mut promptness = Promptness::default();
        for _ in 0..TRIES {
            let socket = by_hand(&server).await;
            assert_eq!((stage.now(), handle.in_flight()), (STREAMS, STREAMS));
            drop(socket);
            promptness.see(&handle).await;
            assert_eq!(stage.now(), 0);
            if promptness.is_shown() {
                break;
            }
        }
        assert!(promptness.is_shown());
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_HEADERS_AND_STREAM: u8 = 5;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend(payload);
    frame
}

/// `GET http://x/`, from the table that every peer knows.
fn get_request(stream: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS_AND_STREAM, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'x'])
}

/// Reads frames until there is one of this kind; answers its stream and what it says.
async fn read_until(socket: &mut TcpStream, kind: u8) -> (u8, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        within_patience(socket.read_exact(&mut head)).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        within_patience(socket.read_exact(&mut payload)).await.unwrap();
        if head[3] == kind {
            return (head[8], payload);
        }
    }
}

/// A connection, spoken by hand, with all its streams in mid-body.
async fn by_hand(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let mut hello = PREFACE.to_vec();
    hello.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in [1, 3, 5, 7] {
        hello.extend(get_request(stream));
    }
    socket.write_all(&hello).await.unwrap();
    let mut begun = HashSet::new();
    while begun.len() < STREAMS {
        begun.insert(read_until(&mut socket, DATA).await.0);
    }
    socket
}

/// The server says GOAWAY to a client that speaks nonsense, who stays: nobody reads the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_the_server_gives_up_frees_the_places_of_all_its_streams() {
    let (server, stage, handle) = start(1, STREAMS).await;
    let mut socket = by_hand(&server).await;
    assert_eq!((stage.now(), handle.in_flight()), (STREAMS, STREAMS));
    // A client's streams have odd numbers.
    socket.write_all(&get_request(2)).await.unwrap();
    read_until(&mut socket, GOAWAY).await;
    until("the places come back", || handle.in_flight() == 0).await;
    assert_eq!((stage.most(), stage.now()), (STREAMS, 0));
}

/// The client says GOAWAY: it wants no more, and takes what is under way to its end. Then it closes
/// the connection, and takes nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_goaway_the_streams_have_their_places_until_the_connection_ends() {
    let (server, stage, handle) = start(1, STREAMS).await;
    let mut socket = by_hand(&server).await;
    let mut farewell = frame(GOAWAY, 0, 0, &[0; 8]);
    // What comes of this says that the server has read the farewell.
    farewell.extend(frame(PING, 0, 0, b"heard it"));
    socket.write_all(&farewell).await.unwrap();
    assert_eq!(read_until(&mut socket, PING).await.1, b"heard it");
    assert_eq!((stage.now(), handle.in_flight()), (STREAMS, STREAMS));
    drop(socket);
    until("the places come back", || handle.in_flight() == 0).await;
    assert_eq!((stage.most(), stage.now()), (STREAMS, 0));
}
