//! HTTP/1 clients that hang up in mid-body.

use std::time::Duration;

use axum::{Router, routing::get};
use buttress::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceBuilder;

use crate::{
    MILLISECOND, PATIENCE, ask, client, guard, read, server::Server, stage::Stage, until,
    within_patience,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

/// What a place may take to come back.
const PROMPT: Duration = Duration::from_millis(50);

/// So often, for now and then a machine that others share does nothing for longer than that.
const TRIES: usize = 20;

/// In one of many tries it is prompt, and in each it comes.
#[derive(Default)]
pub(crate) struct Promptness {
    soonest: Option<Duration>,
}

impl Promptness {
    /// Waits until all places of this one are free.
    pub(crate) async fn see(&mut self, handle: &BulkheadHandle) {
        let took = until("the places come back", || handle.in_flight() == 0).await;
        assert!(took < Duration::from_secs(5), "it took {took:?}");
        self.soonest = Some(self.soonest.map_or(took, |soonest| soonest.min(took)));
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.soonest.is_some_and(|soonest| soonest < PROMPT)
    }
}

/// Asks for a body, and has read its first frame.
async fn in_mid_body(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"frame \r\n") {
        answer.push(within_patience(stream.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    stream
}

/// A body of so many frames, each 5 ms after the one before, has a place until its reader leaves.
async fn a_hang_up_frees_the_place(frames: usize) {
    let (stage, (guard, handle)) = (Stage::new(), guard(1));
    let play = stage.clone();
    let serve = get(async move || play.body(frames, 5 * MILLISECOND)).layer(guard);
    let server = Server::start(Router::new().route("/", serve)).await;

    let mut promptness = Promptness::default();
    for n in 1..=TRIES {
        let client = in_mid_body(&server).await;
        assert_eq!((stage.ever(), stage.now(), handle.in_flight()), (n, 1, 1));
        drop(client);
        promptness.see(&handle).await;
        assert_eq!(stage.now(), 0, "the body went first");
        if promptness.is_shown() {
            break;
        }
    }
    assert!(promptness.is_shown());

    // The next has the place.
    let last = ask(client(), server.uri("/")).await;
    assert_eq!((stage.most(), handle.in_flight()), (1, 1));
    drop(last);
    assert_eq!(handle.snapshot().rejected.full, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_frames_are_written() {
    a_hang_up_frees_the_place(usize::MAX).await;
}

/// Then no write fails: the server finds out by reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_body_says_nothing() {
    a_hang_up_frees_the_place(1).await;
}

/// A client who hangs up while he waits leaves the queue, and the one behind him is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_it_waits_for_a_place() {
    let bulkhead = BulkheadLayer::builder()
        .max_concurrent(1)
        .max_wait(PATIENCE)
        .max_queue(2)
        .protocol(Http::new())
        .build()
        .unwrap();
    let (stage, handle) = (Stage::new(), bulkhead.handle());
    let play = stage.clone();
    let guard = ServiceBuilder::new().layer(RespondLayer::new()).layer(bulkhead);
    let serve = get(async move || play.body(1, MILLISECOND)).layer(guard);
    let server = Server::start(Router::new().route("/", serve)).await;

    let first = in_mid_body(&server).await;
    let mut leaves = TcpStream::connect(server.address).await.unwrap();
    leaves.write_all(REQUEST).await.unwrap();
    until("he waits", || handle.queued() == 1).await;
    let stays = tokio::spawn(ask(client(), server.uri("/")));
    until("both wait", || handle.queued() == 2).await;
    drop(leaves);
    until("one waits", || handle.queued() == 1).await;
    drop(first);
    let response = within_patience(stays).await.unwrap();
    stage.let_them_end();
    assert_eq!(read(response).await.2, "frame ");
    assert_eq!((stage.ever(), stage.most()), (2, 1));
}
