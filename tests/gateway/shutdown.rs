//! A gateway that is told to stop lets what is in flight end.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    bodies::{Frames, bit_by_bit, empty, read},
    proxy::{Layers, Settings},
    running::{Gateway, SETTINGS, Speaks, WAYS, client, head},
    soon,
    upstream::Upstream,
};

/// One whose bodies are sent by the test.
async fn in_hand() -> (Upstream, mpsc::UnboundedReceiver<Frames>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |_| {
        let (frames, body) = bit_by_bit();
        sender.send(frames).unwrap_or_else(|_| panic!("the test waits"));
        async { Ok(Response::new(body)) }
    })
    .await;
    (upstream, receiver)
}

async fn until_it_refuses(gateway: &Gateway) {
    let refuses = async { while TcpStream::connect(gateway.address).await.is_ok() {} };
    soon("connections are refused", refuses).await;
}

#[tokio::test]
async fn a_response_that_streams_comes_to_its_end() {
    for (ours, theirs) in WAYS {
        let (upstream, mut bodies) = in_hand().await;
        let mut gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let client = client(ours);
        // Idle connections are no reason to wait.
        let idle = TcpStream::connect(gateway.address).await.unwrap();
        let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
        let mut response = head(&client, request).await;
        let frames = soon("it is asked", bodies.recv()).await.unwrap();
        frames.data("before").await;
        assert_eq!(read(response.body_mut(), 6).await, b"before");

        gateway.stop();
        until_it_refuses(&gateway).await;
        frames.data("after").await;
        assert_eq!(read(response.body_mut(), 5).await, b"after", "{ours:?} to {theirs:?}");
        drop(frames);
        let rest = soon("it ends", response.into_body().collect()).await;
        assert_eq!(rest.unwrap().to_bytes(), "", "{ours:?} to {theirs:?}");
        gateway.ended().await;
        drop(idle);
    }
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let (upstream, mut bodies) = in_hand().await;
    let settings = Settings { drain: Duration::from_millis(50), ..SETTINGS };
    let mut gateway = Gateway::with(settings, Layers::Stack, &[("/", &upstream.h1())]).await;
    let request = Request::get(gateway.uri("/")).body(empty()).unwrap();
    let mut response = head(&client(Speaks::H1), request).await;
    let frames = soon("it is asked", bodies.recv()).await.unwrap();
    gateway.stop();
    gateway.ended().await;
    let cut = soon("it is cut", response.body_mut().frame()).await;
    assert!(cut.is_some_and(|frame| frame.is_err()), "it looks whole");
    frames.left().await;
}
