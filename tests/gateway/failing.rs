//! What fails on one side is seen on the other, and nowhere else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use buttress::chaos::proxy::Toxic;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::sleep,
};

use crate::{
    bodies::{bit_by_bit, empty, full, read},
    proxy::{Layers, Settings},
    raw::{self, Recorder},
    running::{AnyClient, Gateway, SETTINGS, Speaks, WAYS, client, head, send},
    soon,
    upstream::{Upstream, by_proxy},
};

/// A limit that is over at once; all others are longer than anything is waited for.
const MOMENT: Duration = Duration::from_millis(50);

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

/// Without its coding, which is for one connection, nobody would know it for what it is.
#[tokio::test]
async fn a_body_compressed_for_one_connection_is_a_bad_gateway() {
    let upstream = Recorder::start(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    .await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    for speaks in [Speaks::H1, Speaks::H2] {
        let response = post(&client(speaks), &gateway, "/").await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{speaks:?}");
        assert_eq!(response.body(), "Bad Gateway", "{speaks:?}");
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

/// Routes to one host, whatever is spoken to it: what the one finds out, the others know.
#[tokio::test]
async fn routes_to_one_host_share_its_breaker() {
    let failing = Upstream::status(StatusCode::SERVICE_UNAVAILABLE).await;
    let well = Upstream::status(StatusCode::OK).await;
    let routes = [
        ("/a", &*failing.h1()),
        ("/b", &failing.h1()),
        ("/h2", &failing.speaking(Speaks::H2)),
        ("/c", &well.h1()),
    ];
    let gateway = Gateway::start(&routes).await;
    let client = client(Speaks::H1);
    for _ in 0..5 {
        let response = post(&client, &gateway, "/a").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.body(), "a page");
    }
    assert_eq!(failing.requests(), 5);
    for path in ["/a", "/b", "/h2"] {
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
    let h2 = format!("h2:{url}");
    let routes = [("/a", &*url), ("/b", &url), ("/h2", &h2), ("/c", &well.h1())];
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
    for path in ["/b", "/h2"] {
        let response = post(&clients, &gateway, path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
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

/// It is known when to come back to a host that is down. When one that is full has room, nobody knows.
#[tokio::test]
async fn a_host_that_is_down_is_not_called_full() {
    let (bodies, mut kept) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |request| {
        let status = if request.method() == "GET" { 200 } else { 503 };
        let (frames, mut body) = bit_by_bit();
        if request.uri().path().ends_with("/streams") {
            bodies.send(frames).unwrap_or_else(|_| panic!("the test keeps it"));
        } else {
            body = full("a page");
        }
        async move { Ok(Response::builder().status(status).body(body)?) }
    })
    .await;
    let settings = Settings { max_concurrent: 2, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    let client = client(Speaks::H1);
    let streams = || Request::builder().uri(gateway.uri("/streams"));
    let first = head(&client, streams().body(empty()).unwrap()).await;
    for _ in 0..4 {
        post(&client, &gateway, "/").await;
    }
    // It is the fifth failure, and has the last place until its body ends.
    let fifth = head(&client, streams().method("POST").body(empty()).unwrap()).await;
    assert_eq!((first.status().as_u16(), fifth.status().as_u16()), (200, 503));
    let refused = post(&client, &gateway, "/").await;
    assert_eq!((refused.status().as_u16(), upstream.requests()), (503, 6));
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 30, "{seconds}");
    // Both stood in their places until now.
    assert!(kept.try_recv().is_ok() && kept.try_recv().is_ok());
    drop((first, fifth));
}

/// As long as it was told to, and not as long as it is down.
#[tokio::test]
async fn a_host_that_was_down_is_asked_again() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let upstream = Upstream::start(move |_| {
        let status = if is_mended.load(Ordering::SeqCst) { 200 } else { 503 };
        async move { Ok(Response::builder().status(status).body(empty())?) }
    })
    .await;
    let settings = Settings { open_for: MOMENT, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    let client = client(Speaks::H1);
    for _ in 0..5 {
        post(&client, &gateway, "/").await;
    }
    mended.store(true, Ordering::SeqCst);
    let asked_again = async {
        while post(&client, &gateway, "/").await.status() != StatusCode::OK {
            sleep(MOMENT / 10).await;
        }
    };
    soon("it is asked again", asked_again).await;
}
