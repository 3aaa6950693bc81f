//! Each limit is kept to, also where no other would end the call: those are longer than a test waits.

use std::{net::SocketAddr, time::Duration};

use buttress::{
    chaos::proxy::{FaultProxy, Toxic},
    prelude::BoxError,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    bodies::{bit_by_bit, empty, full},
    proxy::{Layers, Settings},
    running::{Gateway, SETTINGS, Speaks, client, head, send},
    soon,
    upstream::Upstream,
};

const MOMENT: Duration = Duration::from_millis(50);

async fn post(gateway: &Gateway, speaks: Speaks) -> StatusCode {
    let request = Request::post(gateway.uri("/")).body(empty()).unwrap();
    send(&client(speaks), request).await.status()
}

/// Listens, and has no room for whoever connects.
struct Crowded {
    address: SocketAddr,
    _listener: TcpListener,
    _inside: Vec<TcpStream>,
}

impl Crowded {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut inside = Vec::new();
        // A handshake that nobody answers is repeated after a second; before that it says nothing.
        while let Ok(stream) = timeout(10 * MOMENT, TcpStream::connect(address)).await {
            inside.push(stream.unwrap());
            assert!(inside.len() < 100, "it has room for everybody");
        }
        Self { address, _listener: listener, _inside: inside }
    }
}

/// An upstream from which nothing comes.
struct Hangs {
    url: String,
    _upstream: Upstream,
    _proxy: FaultProxy,
}

impl Hangs {
    async fn new() -> Self {
        let upstream = Upstream::status(StatusCode::OK).await;
        let (proxy, url) = upstream.by_proxy().await;
        proxy.handle().add("hangs", Toxic::blackhole()).unwrap();
        Self { url, _upstream: upstream, _proxy: proxy }
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made() {
    let crowded = Crowded::new().await;
    let settings = Settings { connect: MOMENT, ..SETTINGS };
    for protocol in ["", "h2:"] {
        let upstream = format!("{protocol}http://{}", crowded.address);
        let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream)]).await;
        assert_eq!(post(&gateway, Speaks::H1).await, StatusCode::GATEWAY_TIMEOUT, "{protocol}");
    }
}

#[tokio::test]
async fn a_connection_that_no_call_uses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { unused: MOMENT, ..SETTINGS };
    let all =
        [Layers::Stack, Layers::Bare].map(|layers| ["", "h2:"].map(|speaks| (layers, speaks)));
    for (layers, protocol) in all.into_iter().flatten() {
        let upstream = format!("{protocol}http://{address}");
        let gateway = Gateway::with(settings, layers, &[("/", &upstream)]).await;
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let page = service_fn(async |_| Ok::<_, BoxError>(Response::new(full("a page"))));
            let server = auto::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), page).await
        };
        let closed = soon("the connection is closed", served);
        let (status, closed) = tokio::join!(post(&gateway, Speaks::H1), closed);
        assert_eq!(status, StatusCode::OK, "{layers:?} {protocol}");
        closed.unwrap_or_else(|error| panic!("{layers:?} {protocol}: {error}"));
    }
}

#[tokio::test]
async fn a_body_that_stalls() {
    let upstream = Upstream::start(|_| {
        let (frames, body) = bit_by_bit();
        tokio::spawn(async move {
            frames.data("the first part").await;
            frames.left().await;
        });
        async { Ok(Response::new(body)) }
    })
    .await;
    let settings = Settings { read: MOMENT, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    for speaks in [Speaks::H1, Speaks::H2] {
        let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
        let response = head(&client(speaks), request).await;
        assert_eq!(response.status(), StatusCode::OK, "{speaks:?}");
        let body = soon("the body is cut", response.into_body().collect()).await;
        assert!(body.is_err(), "{speaks:?}: it looks whole");
    }
}

#[tokio::test]
async fn a_call_in_all() {
    let hangs = Hangs::new().await;
    let settings = Settings { overall: MOMENT, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &hangs.url)]).await;
    for speaks in [Speaks::H1, Speaks::H2] {
        assert_eq!(post(&gateway, speaks).await, StatusCode::GATEWAY_TIMEOUT, "{speaks:?}");
    }
}

/// The limit that the client has, which it tells by a field.
#[tokio::test]
async fn what_the_client_waits_for() {
    let hangs = Hangs::new().await;
    let gateway = Gateway::start(&[("/", &hangs.url)]).await;
    for speaks in [Speaks::H1, Speaks::H2] {
        let request = || Request::post(gateway.uri("/shop/Order"));
        let plain = request().header("x-request-timeout-ms", "50").body(empty()).unwrap();
        let response = send(&client(speaks), plain).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "{speaks:?}");
        let grpc = request().header("content-type", "application/grpc");
        let grpc = grpc.header("grpc-timeout", "50m").body(full("")).unwrap();
        let response = send(&client(speaks), grpc).await;
        assert_eq!(response.status(), StatusCode::OK, "{speaks:?}");
        assert_eq!(response.headers()["grpc-status"], "4", "{speaks:?}");
    }
}

/// Also of a client that has asked before.
#[tokio::test]
async fn the_head_of_a_second_request() {
    let upstream = Upstream::status(StatusCode::OK).await;
    // In which the first has to come.
    let settings = Settings { request: 20 * MOMENT, ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    soon("it is let go", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(upstream.requests(), 1);
}
