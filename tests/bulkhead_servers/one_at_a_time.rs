//! Twenty clients at once, and one place.

use axum::{Router, routing::any};
use buttress::prelude::*;
use http::StatusCode;
use tokio::task::JoinSet;
use tower::ServiceBuilder;

use crate::{
    MILLISECOND, PATIENCE, ask, client, guard, read, retry_after, server::Server, stage::Stage,
    until, within_patience,
};

const CLIENTS: usize = 20;

/// The body takes half a second, and longer where that is needed for all others to come meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_is_served_and_nineteen_are_told_when_to_come_back() {
    let (stage, (guard, handle)) = (Stage::new(), guard(1));
    let play = stage.clone();
    let serve = any(async move || play.body(10, 50 * MILLISECOND)).layer(guard);
    let server = Server::start(Router::new().route("/", serve)).await;

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(ask(client(), server.uri("/")));
    }
    let heads = within_patience(clients.join_all()).await;
    assert_eq!(
        (stage.now(), handle.in_flight()),
        (1, 1),
        "its head was sent, its body is not over"
    );
    stage.let_them_end();

    let mut good = 0;
    for response in heads {
        let (status, headers, body) = read(response).await;
        if status == StatusCode::OK {
            good += 1;
            assert_eq!(body, "frame ".repeat(10));
        } else {
            assert_eq!(
                (status, &body[..]),
                (StatusCode::SERVICE_UNAVAILABLE, &b"Service Unavailable"[..])
            );
            assert!(retry_after(&headers) >= 1);
        }
    }
    assert_eq!((good, stage.ever(), stage.most()), (1, 1, 1));
    // What a client reads last was sent last, and the server hears of it no later.
    assert_eq!((stage.now(), handle.in_flight()), (0, 0));
    assert_eq!(handle.snapshot().rejected.full, CLIENTS as u64 - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_wait_are_served_one_after_the_other() {
    let bulkhead = BulkheadLayer::builder()
        .max_concurrent(1)
        .max_wait(PATIENCE)
        .max_queue(CLIENTS)
        .protocol(Http::new())
        .build()
        .unwrap();
    let (stage, handle) = (Stage::new(), bulkhead.handle());
    let play = stage.clone();
    let guard = ServiceBuilder::new().layer(RespondLayer::new()).layer(bulkhead);
    let serve = any(async move || play.body(3, 2 * MILLISECOND)).layer(guard);
    let server = Server::start(Router::new().route("/", serve)).await;

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let uri = server.uri("/");
        clients.spawn(async { read(ask(client(), uri).await).await });
    }
    until("all others wait", || handle.queued() == CLIENTS - 1).await;
    assert_eq!((stage.ever(), handle.in_flight()), (1, 1));
    stage.let_them_end();

    for (status, _, body) in within_patience(clients.join_all()).await {
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"frame frame frame "[..]));
    }
    assert_eq!((stage.ever(), stage.most()), (CLIENTS, 1));
    assert_eq!((handle.in_flight(), handle.queued()), (0, 0));
    assert_eq!(handle.snapshot().waits.count(), CLIENTS as u64 - 1);
}

/// What the others protect from: a place that comes back with the head bounds nothing where answers
/// are streamed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_a_protocol_that_follows_no_bodies_they_overlap() {
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(Plain).build().unwrap();
    let (stage, handle) = (Stage::new(), bulkhead.handle());
    let play = stage.clone();
    let guard = ServiceBuilder::new().layer(RespondLayer::new()).layer(bulkhead);
    let serve = any(async move || play.body(3, MILLISECOND)).layer(guard);
    let server = Server::start(Router::new().route("/", serve)).await;

    let mut heads = Vec::new();
    for _ in 0..CLIENTS {
        heads.push(ask(client(), server.uri("/")).await);
    }
    assert!(heads.iter().all(|head| head.status() == StatusCode::OK));
    assert_eq!((stage.now(), handle.in_flight()), (CLIENTS, 0));
    stage.let_them_end();
    for head in heads {
        read(head).await;
    }
    assert_eq!(stage.most(), CLIENTS);
}
