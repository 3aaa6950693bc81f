//! Retries against real servers: what is sent again, what is not, and when.

mod client;
mod grpc;
mod hints;
mod levels;
mod reuse;
mod server;
mod unsent;

use std::{sync::Arc, time::Duration};

use buttress::prelude::*;
use bytes::Bytes;
use client::{AnyBody, Speaks, Told, full, hyper, replaying, retry, send, streamed, text};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{Full, StreamBody, combinators::UnsyncBoxBody};
use server::{Reaction, Server, fails, status};
use tokio::sync::Notify;
use tower::{ServiceBuilder, ServiceExt};

fn put<B>(uri: &Uri, body: B) -> Request<B> {
    Request::put(uri).body(body).unwrap()
}

/// Two failures, then a page: three requests, with the same body each.
#[tokio::test]
async fn three_requests_have_the_same_body() {
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-checksum"),
        http::HeaderValue::from_static("17"),
    )]);
    let big = "0123456789abcdef".repeat(4 * 1024);
    for speaks in [Speaks::H1, Speaks::H2] {
        let bodies: [(&str, AnyBody, String, _); 5] = [
            ("empty", full(""), String::new(), None),
            ("one byte", full("1"), "1".into(), None),
            ("64 KiB", full(big.clone()), big.clone(), None),
            ("a thousand chunks", streamed(1_000, None), text(1_000), None),
            ("trailers", streamed(3, Some(trailers.clone())), text(3), Some(trailers.clone())),
        ];
        for (name, body, expected, trailers) in bodies {
            let server = Server::start(fails(2)).await;
            let told = Told::default();
            let client = replaying(speaks, &told);
            let response = send(&client, put(&server.uri, body)).await;
            assert_eq!(response.status(), StatusCode::OK, "{name} over {speaks:?}");
            let seen = server.seen();
            assert_eq!(seen.len(), 3, "{name} over {speaks:?}");
            for request in &seen {
                assert_eq!(request.method, Method::PUT);
                assert!(request.body == expected, "{name} over {speaks:?}: another body");
                // HTTP/1 has trailers only for a peer that asked for them.
                if speaks == Speaks::H2 {
                    assert_eq!(request.trailers, trailers, "{name}");
                }
                let framing = |name: &str| request.headers.get(name) == seen[0].headers.get(name);
                assert!(framing("content-length") && framing("transfer-encoding"), "{name}");
            }
        }
    }
}

/// A body of a client that holds it as a whole needs no layer.
#[tokio::test]
async fn a_full_body_is_repeated_as_it_is() {
    let server = Server::start(fails(2)).await;
    let client = ServiceBuilder::new()
        .layer(retry(&Told::default()))
        .service(hyper::<Full<Bytes>>(Speaks::H1));
    let response = send(&client, put(&server.uri, Full::from("as it is"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(server.seen().iter().all(|request| request.body == "as it is"));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_post_is_sent_once_unless_it_carries_a_key() {
    let server = Server::start(fails(2)).await;
    let told = Told::default();
    let client = replaying(Speaks::H1, &told);
    let post = || Request::post(&server.uri).body(full("an order")).unwrap();
    let response = send(&client, post()).await;
    assert_eq!((response.status(), server.requests()), (StatusCode::SERVICE_UNAVAILABLE, 1));
    assert_eq!(told.gave_up(), ["the request may not be sent twice"]);

    let server = Server::start(fails(2)).await;
    let keyed = ServiceBuilder::new().layer(IdempotencyKeyLayer::new()).service(client);
    let request = Request::post(&server.uri).body(full("an order")).unwrap();
    let response = send(&keyed, request).await;
    assert_eq!((response.status(), server.requests()), (StatusCode::OK, 3));
    let keys: Vec<_> =
        server.seen().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn a_body_over_the_cap_is_sent_once_and_whole() {
    let server = Server::start(fails(2)).await;
    let told = Told::default();
    // 64 KiB and 4 bytes, in chunks of no known length.
    let response =
        send(&replaying(Speaks::H1, &told), put(&server.uri, streamed(6_554, None))).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seen = server.seen();
    assert!(seen.len() == 1 && seen[0].body == text(6_554));
    assert_eq!(told.gave_up(), ["the body is too large to repeat"]);
}

/// The server had not taken it all, so nobody knows what it would do with the rest.
#[tokio::test]
async fn an_answer_that_comes_early_is_not_repeated() {
    let server = Server::start(|_| Reaction::AnswersEarly(status(503))).await;
    let told = Told::default();
    // A part, and then nothing for now.
    let part = Frame::data(Bytes::from_static(b"the first part"));
    let stalls = stream::iter([Ok::<_, BoxError>(part)]).chain(stream::pending());
    let body = UnsyncBoxBody::new(StreamBody::new(stalls));
    let response = send(&replaying(Speaks::H1, &told), put(&server.uri, body)).await;
    assert_eq!((response.status(), server.requests()), (StatusCode::SERVICE_UNAVAILABLE, 1));
    assert_eq!(told.gave_up(), ["the body was still being sent"]);
}

/// What was sent is sent again, and then the rest, which was not lost: also where the client tells
/// of the broken connection, on another thread, before it has let go of the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_is_repeated_from_its_start() {
    for speaks in [Speaks::H1, Speaks::H2] {
        for run in 0..25 {
            let server = Server::start(|number| match number {
                0 => Reaction::BreaksOff,
                _ => Reaction::Answers(status(200)),
            })
            .await;
            let told = Told::default();
            let request = put(&server.uri, streamed(1_000, None));
            let response = send(&replaying(speaks, &told), request).await;
            let seen = (response.status(), server.requests());
            assert_eq!(seen, (StatusCode::OK, 2), "{speaks:?} {run}: {:?}", told.gave_up());
            assert!(server.seen()[0].body == text(1_000));
        }
    }
}

/// And where a limit inside cuts the attempt: then the client finds out only later.
#[tokio::test]
async fn an_upload_that_is_cut_is_repeated_from_its_start() {
    for speaks in [Speaks::H1, Speaks::H2, Speaks::H1, Speaks::H2] {
        // The rest of the body comes once the second attempt has begun.
        let rest = Arc::new(Notify::new());
        let begun = Arc::clone(&rest);
        let server = Server::start(move |number| {
            if number == 0 {
                return Reaction::Hangs;
            }
            begun.notify_one();
            Reaction::Answers(status(200))
        })
        .await;
        let frame = |text: &'static str| Ok::<_, BoxError>(Frame::data(Bytes::from(text)));
        let first = stream::iter([frame("the first part")]);
        let body = first.chain(stream::once(async move {
            rest.notified().await;
            frame(", and the rest")
        }));
        let told = Told::default();
        let attempt = TimeoutLayer::builder().overall(Duration::from_millis(300));
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::new())
            .layer(retry(&told))
            .layer(attempt.protocol(Http::new()).build().unwrap())
            .service(hyper(speaks));
        let request = put(&server.uri, UnsyncBoxBody::new(StreamBody::new(body)));
        let response = client.oneshot(request).await.unwrap();
        let seen = (response.status(), server.requests());
        assert_eq!(seen, (StatusCode::OK, 2), "{speaks:?}: {:?}", told.gave_up());
        assert_eq!(server.seen()[0].body, "the first part, and the rest");
    }
}
