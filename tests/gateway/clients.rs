//! Clients that take a connection and do little with it, and what is left for the others.

use std::{net::SocketAddr, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::{
    bodies::{bit_by_bit, empty, read},
    proxy::{Layers, Settings},
    raw,
    running::{Gateway, SETTINGS, Speaks, client, head, send},
    soon,
    upstream::Upstream,
};

/// Each sends this and no more, and waits.
const SILENT: [&str; 5] = [
    "",
    "PRI * HT",
    "GET / HT",
    "GET / HTTP/1.1\r\nhost: a\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

#[tokio::test]
async fn who_asks_for_nothing_is_let_go() {
    let upstream = Upstream::status(StatusCode::OK).await;
    let settings = Settings { request: Duration::from_millis(50), ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    for sent in SILENT {
        let answer = raw::ask(gateway.address, sent).await;
        assert!(!answer.contains("200"), "{sent:?}: {answer:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn who_has_asked_is_given_its_time() {
    for speaks in [Speaks::H1, Speaks::H2] {
        let (sender, mut bodies) = mpsc::unbounded_channel();
        let upstream = Upstream::start(move |_| {
            let (frames, body) = bit_by_bit();
            sender.send(frames).unwrap_or_else(|_| panic!("the test waits"));
            async { Ok(Response::new(body)) }
        })
        .await;
        let settings = Settings { request: Duration::from_millis(50), ..SETTINGS };
        let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
        let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
        let client = client(speaks);
        let mut response = head(&client, request).await;
        let frames = soon("it is asked", bodies.recv()).await.unwrap();
        // Who came later and is let go shows that the time is over.
        for _ in 0..2 {
            assert_eq!(raw::ask(gateway.address, "").await, "");
        }
        frames.data("after").await;
        assert_eq!(read(response.body_mut(), 5).await, b"after", "{speaks:?}");
        drop(frames);
        let rest = soon("it ends", response.into_body().collect()).await;
        assert_eq!(rest.unwrap().to_bytes(), "", "{speaks:?}");
    }
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one() {
    let upstream = Upstream::status(StatusCode::OK).await;
    let settings = Settings { max_connections: 1, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    let first = client(Speaks::H1);
    let ask = || Request::get(gateway.uri("/")).body(empty()).unwrap();
    send(&first, ask()).await;
    let mut second = asked(gateway.address).await;
    for _ in 0..20 {
        send(&first, ask()).await;
    }
    assert_eq!(upstream.requests(), 21, "the second was let in");
    drop(first);
    let mut answer = [0; 15];
    soon("the second has a place", second.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// A connection over which something was asked for.
async fn asked(gateway: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream
}
