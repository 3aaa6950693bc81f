//! Requests that were certainly not executed are repeated, whatever they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress::{chaos::proxy::Toxic, prelude::*};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{net::TcpListener, time::timeout};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::{
    client::{Speaks, Told, hyper, retry, send},
    server::{Server, fails},
};

fn post(uri: &str) -> Request<Full<Bytes>> {
    Request::post(uri).body(Full::from("an order")).unwrap()
}

/// That it fails, and does not hang.
async fn fails_soon<S, B>(service: S, request: Request<B>)
where
    S: Service<Request<B>>,
{
    let call = timeout(Duration::from_secs(10), service.oneshot(request));
    assert!(call.await.expect("it ends").is_err());
}

/// Nobody listens, so nobody has seen the order.
#[tokio::test]
async fn a_post_whose_connection_is_refused_is_repeated() {
    let server = Server::start(fails(0)).await;
    let proxy = server.proxy().await;
    proxy.handle().refuse().await.unwrap();
    let told = Told::default();
    let client = ServiceBuilder::new().layer(retry(&told)).service(hyper(Speaks::H1));
    fails_soon(client, post(&format!("http://{}/", proxy.address()))).await;
    assert_eq!(told.delays().len(), 2);
    assert_eq!(told.gave_up(), ["no attempts left"]);
    assert_eq!(server.connections(), 0);
}

/// By the limit on connecting, too: it stands around the connector, inside the client.
#[tokio::test]
async fn a_post_whose_connection_takes_too_long_is_repeated() {
    let hangs = tower::service_fn(async |_: http::Uri| {
        std::future::pending::<Result<hyper_util::rt::TokioIo<tokio::net::TcpStream>, BoxError>>()
            .await
    });
    let limit = ConnectTimeoutLayer::new(Duration::from_millis(20)).unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build::<_, Full<Bytes>>(tower::Layer::layer(&limit, hangs));
    let told = Told::default();
    let client = ServiceBuilder::new().layer(retry(&told)).service(client);
    client.oneshot(post("http://nowhere.invalid/")).await.unwrap_err();
    assert_eq!(told.delays().len(), 2);
}

/// A connection that breaks off after the request may have delivered it.
#[tokio::test]
async fn a_post_whose_connection_breaks_is_not_repeated() {
    let server = Server::start(fails(0)).await;
    let proxy = server.proxy().await;
    // The request passes, and of the answer nothing.
    proxy.handle().add("breaks", Toxic::limit_data(0)).unwrap();
    let uri = format!("http://{}/", proxy.address());
    let told = Told::default();
    let client = ServiceBuilder::new().layer(retry(&told)).service(hyper(Speaks::H1));
    fails_soon(client.clone(), post(&uri)).await;
    assert_eq!(told.gave_up(), ["the request may not be sent twice"]);
    fails_soon(client, post(&uri)).await;
    assert_eq!(server.connections(), 2, "one connection for each call");
    assert_eq!(server.seen().len(), 2, "each has delivered its request, once");
}

/// REFUSED_STREAM is the server's promise that it did nothing; another reset is none.
#[tokio::test]
async fn a_post_whose_stream_is_refused_is_repeated() {
    for (reason, served) in
        [(h2::Reason::REFUSED_STREAM, true), (h2::Reason::INTERNAL_ERROR, false)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let streams = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&streams);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_request, mut respond))) = connection.accept().await {
                        if count.fetch_add(1, Ordering::SeqCst) == 0 {
                            respond.send_reset(reason);
                        } else {
                            let _ = respond.send_response(Response::new(()), true);
                        }
                    }
                });
            }
        });
        let told = Told::default();
        let client = ServiceBuilder::new().layer(retry(&told)).service(hyper(Speaks::H2));
        if served {
            assert_eq!(send(&client, post(&uri)).await.status(), StatusCode::OK);
        } else {
            client.oneshot(post(&uri)).await.unwrap_err();
        }
        assert_eq!(streams.load(Ordering::SeqCst), if served { 2 } else { 1 }, "{reason:?}");
        server.abort();
    }
}
