//! The stack around reqwest's client, over real sockets.

mod failures;
mod plain;
mod recipe;
mod shop;
mod upstream;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use buttress::prelude::*;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use shop::{LONG, Shop, client, read};
use tokio::sync::oneshot;
use upstream::{Upstream, closed_port, status};

/// Whoever copies the recipe gets a second attempt, with the body, and a deadline in each.
#[tokio::test]
async fn the_recipe_is_all_there_is_to_it() {
    let upstream =
        Upstream::start(async |number| status(if number == 0 { 503 } else { 200 })).await;
    assert_eq!(recipe::order(&upstream.url).await.unwrap(), "a short page");
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    let mut before = 5_001;
    for request in seen {
        assert_eq!((request.method, request.body), (Method::PUT, Bytes::from("an order")));
        assert_eq!(request.headers["content-length"], "8", "a body of known length");
        let left = request.headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
        assert!(left > 0 && left < before, "{left} of {before}");
        before = left;
    }
}

/// Nobody listened, so nobody has seen the order.
#[tokio::test]
async fn a_post_whose_connection_is_refused_is_repeated() {
    let closed = closed_port();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    let (closed, upstream) = (Mutex::new(Some(closed)), Arc::new(Mutex::new(None)));
    let opened = Arc::clone(&upstream);
    let shop = Shop::watched(client(), LONG, move || {
        let socket = closed.lock().unwrap().take().expect("it is refused once");
        let listener = socket.listen(8).unwrap();
        *opened.lock().unwrap() = Some(Upstream::serve(listener, async |_| status(200)));
    });
    let post = Request::post(url).body(Full::from("an order")).unwrap();
    assert_eq!(shop.send(post).await.unwrap().status(), StatusCode::OK);
    let upstream = upstream.lock().unwrap().take().expect("it listens now");
    let [seen] = &upstream.seen()[..] else { panic!("one request") };
    assert_eq!((&seen.method, &seen.body[..]), (&Method::POST, &b"an order"[..]));
}

/// What has been sent may have been executed.
#[tokio::test]
async fn a_post_that_was_answered_is_not_repeated() {
    let upstream = Upstream::start(async |_| status(503)).await;
    let shop = Shop::new(client(), LONG);
    let post = Request::post(&upstream.url).body(Full::from("an order")).unwrap();
    assert_eq!(shop.send(post).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let upstream = Upstream::start(async |number| {
        let mut response = status(if number == 0 { 503 } else { 200 });
        response.headers_mut().insert("retry-after", "1".parse().unwrap());
        response
    })
    .await;
    let shop = Shop::new(client(), LONG);
    assert_eq!(shop.get(&upstream.url).await.unwrap().status(), StatusCode::OK);
    let [delay] = shop.delays()[..] else { panic!("one wait") };
    let second = Duration::from_secs(1);
    assert!(delay >= second && delay <= second * 3 / 2, "{delay:?}");
}

/// The body ends when the test says so, and with it the call.
#[tokio::test]
async fn a_place_is_held_until_the_body_is_over() {
    let (end, ends) = oneshot::channel::<()>();
    let ends = Arc::new(Mutex::new(Some(ends)));
    let upstream = Upstream::start(move |_| {
        let ends = ends.lock().unwrap().take();
        let last = futures_util::stream::once(async move {
            if let Some(ends) = ends {
                ends.await.unwrap();
            }
            Ok::<_, BoxError>(Bytes::from("the end"))
        });
        std::future::ready(Response::new(Body::from_stream(last)))
    })
    .await;
    let shop = Shop::new(client(), LONG);
    let held = shop.get(&upstream.url).await.unwrap();
    let error = shop.get(&upstream.url).await.unwrap_err();
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert!(matches!(rejection.kind(), RejectionKind::BulkheadFull { limit: 1, .. }), "{error}");
    end.send(()).unwrap();
    assert_eq!(read(held).await.unwrap(), "the end");

    let left = shop.get(&upstream.url).await.expect("the place is free");
    assert_eq!(shop.bulkhead.in_flight(), 1);
    drop(left);
    assert_eq!(shop.bulkhead.in_flight(), 0, "a reader who leaves has no place");
}
