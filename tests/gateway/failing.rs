//! What fails on one side is seen on the other, and nowhere else.

use std::sync::Arc;

use buttress::chaos::proxy::Toxic;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    bodies::{bit_by_bit, empty, read},
    proxy::{Layers, Settings},
    raw::{self, Recorder},
    running::{AnyClient, Gateway, SETTINGS, Speaks, WAYS, client, head, send},
    soon,
    upstream::{Upstream, by_proxy},
};

/// A request that is not repeated, so that it can be counted.
async fn post(client: &AnyClient, gateway: &Gateway, path: &str) -> Response<bytes::Bytes> {
    send(client, Request::post(gateway.uri(path)).body(empty()).unwrap()).await
}

#[tokio::test]
async fn a_client_that_leaves_a_body_is_seen_upstream() {
    for (ours, theirs) in WAYS {
        let left = Arc::new(Notify::new());
        let leaves = Arc::clone(&left);
        let upstream = Upstream::start(move |_| {
            let leaves = Arc::clone(&leaves);
            async move {
                let (frames, body) = bit_by_bit();
                tokio::spawn(async move {
                    frames.data("a part").await;
                    frames.left().await;
                    leaves.notify_one();
                });
                Ok(Response::new(body))
            }
        })
        .await;
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let client = client(ours);
        let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
        let mut response = head(&client, request).await;
        read(response.body_mut(), 6).await;
        drop((response, client));
        soon(&format!("it is seen, {ours:?} to {theirs:?}"), left.notified()).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_head_is_seen_upstream() {
    struct Tells(Arc<Notify>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    for (ours, theirs) in WAYS {
        let (came, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (comes, leaves) = (Arc::clone(&came), Arc::clone(&left));
        let upstream = Upstream::start(move |_| {
            let tells = Tells(Arc::clone(&leaves));
            comes.notify_one();
            async move {
                let _tells = tells;
                std::future::pending().await
            }
        })
        .await;
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let client = client(ours);
        let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.request(request).await.map(drop) }
        });
        soon("the request comes", came.notified()).await;
        call.abort();
        drop(client);
        soon(&format!("it is seen, {ours:?} to {theirs:?}"), left.notified()).await;
    }
}

/// Not for one that ended well.
#[tokio::test]
async fn a_body_that_is_cut_is_cut_for_the_client() {
    for (answer, rest) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\nthe first part, and the rest",
            ", and the rest",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ne\r\nthe first part\r\n0\r\n\r\n",
            "0\r\n\r\n",
        ),
    ] {
        let upstream = Recorder::start(answer).await;
        let (proxy, url) = by_proxy(upstream.address).await;
        let cut = Toxic::limit_data((answer.len() - rest.len()) as u64);
        proxy.handle().add("cut", cut).unwrap();
        let gateway = Gateway::start(&[("/", &url)]).await;
        for speaks in [Speaks::H1, Speaks::H2] {
            let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
            let response = head(&client(speaks), request).await;
            assert_eq!(response.status(), StatusCode::OK);
            let body = soon("the body ends", response.into_body().collect()).await;
            assert!(body.is_err(), "{speaks:?}: {answer}");
        }
        let answer =
            raw::ask(gateway.address, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .await;
        assert!(answer.contains("the first part") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_a_bad_gateway() {
    let upstream = Recorder::start(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    )
    .await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    let asked = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade, close\r\n\r\n";
    let answer = raw::ask(gateway.address, asked).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

/// Two routes, one host: what the one finds out, the other knows.
#[tokio::test]
async fn routes_to_one_host_share_its_breaker() {
    let failing = Upstream::status(StatusCode::SERVICE_UNAVAILABLE).await;
    let well = Upstream::status(StatusCode::OK).await;
    let routes = [("/a", &*failing.h1()), ("/b", &failing.h1()), ("/c", &well.h1())];
    let gateway = Gateway::start(&routes).await;
    let client = client(Speaks::H1);
    for _ in 0..5 {
        let response = post(&client, &gateway, "/a").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.body(), "a page");
    }
    assert_eq!(failing.requests(), 5);
    for path in ["/a", "/b"] {
        let response = post(&client, &gateway, path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"), "{path}: it was asked");
    }
    assert_eq!(failing.requests(), 5, "it is left alone");
    assert_eq!(post(&client, &gateway, "/c").await.status(), StatusCode::OK);
    assert_eq!(post(&client, &gateway, "/none").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_host_that_hangs_fills_its_places_and_no_others() {
    let (hangs, well) =
        (Upstream::status(StatusCode::OK).await, Upstream::status(StatusCode::OK).await);
    let (proxy, url) = hangs.by_proxy().await;
    proxy.handle().add("hangs", Toxic::blackhole()).unwrap();
    let routes = [("/a", &*url), ("/b", &url), ("/c", &well.h1())];
    let settings = Settings { max_concurrent: 8, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &routes).await;
    let clients = client(Speaks::H1);
    let mut hung = JoinSet::new();
    for _ in 0..8 {
        let request = Request::get(gateway.uri("/a")).body(empty()).unwrap();
        hung.spawn(clients.request(request));
    }
    let all_hang = async {
        while hangs.requests() < 8 {
            tokio::task::yield_now().await;
        }
    };
    soon("all of them are sent", all_hang).await;
    assert_eq!(post(&clients, &gateway, "/b").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(hangs.requests(), 8);
    for _ in 0..50 {
        assert_eq!(post(&clients, &gateway, "/c").await.status(), StatusCode::OK);
    }
    assert_eq!(hung.try_join_next().map(|_| ()), None, "they hang still");
}

#[tokio::test]
async fn an_upstream_that_hangs_or_is_gone_is_a_status() {
    let upstream = Upstream::status(StatusCode::OK).await;
    let (hangs, hanging) = upstream.by_proxy().await;
    hangs.handle().add("hangs", Toxic::blackhole()).unwrap();
    let (gone, nobody) = upstream.by_proxy().await;
    gone.handle().refuse().await.unwrap();
    let routes = [("/hangs", &*hanging), ("/gone", &nobody)];
    let attempt = std::time::Duration::from_millis(50);
    let gateway = Gateway::with(Settings { attempt, ..SETTINGS }, Layers::Stack, &routes).await;
    let client = client(Speaks::H2);
    assert_eq!(post(&client, &gateway, "/hangs").await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(post(&client, &gateway, "/gone").await.status(), StatusCode::BAD_GATEWAY);
    let gateway = Gateway::with(SETTINGS, Layers::Bare, &routes).await;
    assert_eq!(post(&client, &gateway, "/gone").await.status(), StatusCode::BAD_GATEWAY);
}
