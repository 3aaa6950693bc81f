//! In front of a client: a place is had until the answer has been read, or will not be.

use axum::{Router, routing::get};
use buttress::{chaos::proxy::FaultProxy, prelude::*};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::{MILLISECOND, client, get as request, server::Server, stage::Stage, within_patience};

/// A client with one place, and its bulkhead.
fn one_place() -> (
    impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl Body<Data = Bytes, Error = BoxError> + Unpin>,
        Error = BoxError,
    > + Clone,
    BulkheadHandle,
) {
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new());
    let bulkhead = bulkhead.build().unwrap();
    let handle = bulkhead.handle();
    (ServiceBuilder::new().layer(bulkhead).service(client()), handle)
}

/// A server of bodies of so many frames.
async fn start(frames: usize) -> (Server, Stage) {
    let stage = Stage::new();
    let play = stage.clone();
    let serve = get(async move || play.body(frames, MILLISECOND));
    (Server::start(Router::new().route("/", serve)).await, stage)
}

fn is_full(error: &BoxError) -> bool {
    let kind = Rejection::find(error.as_ref()).map(Rejection::kind);
    matches!(kind, Some(RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }))
}

#[tokio::test]
async fn a_place_is_had_until_the_answer_has_been_read() {
    let (server, stage) = start(3).await;
    let (client, handle) = one_place();
    let ask = async || within_patience(client.clone().oneshot(request(&server.uri("/")))).await;

    let mut body = ask().await.unwrap().into_body();
    for _ in 0..3 {
        assert!(ask().await.is_err_and(|error| is_full(&error)));
        within_patience(body.frame()).await.expect("a frame").unwrap();
    }
    assert!(ask().await.is_err_and(|error| is_full(&error)), "all was read but the end");
    stage.let_them_end();
    assert!(within_patience(body.frame()).await.is_none());
    assert_eq!(handle.in_flight(), 0, "while the body still exists");

    let next = ask().await.unwrap();
    assert_eq!(handle.in_flight(), 1);
    next.into_body().collect().await.unwrap();
    assert_eq!((handle.in_flight(), stage.ever(), stage.most()), (0, 2, 1));
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_read_gives_it_back() {
    let (server, stage) = start(usize::MAX).await;
    let (client, handle) = one_place();
    for n in 1..=5 {
        let call = client.clone().oneshot(request(&server.uri("/")));
        let mut body = within_patience(call).await.unwrap().into_body();
        within_patience(body.frame()).await.expect("a frame").unwrap();
        assert_eq!((handle.in_flight(), stage.ever()), (1, n));
        drop(body);
        assert_eq!(handle.in_flight(), 0);
    }
}

/// A server of bodies of two frames, of this length if it says one, whose network dies after the first.
async fn dies_in_mid_body(length: Option<usize>) {
    let stage = Stage::new();
    let play = stage.clone();
    let serve = async move || {
        let mut response = Response::new(play.body(1, MILLISECOND));
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response
    };
    let server = Server::start(Router::new().route("/", get(serve))).await;
    let proxy = FaultProxy::builder(server.address).start().await.unwrap();
    let uri = format!("http://{}/", proxy.address()).parse().unwrap();
    let (client, handle) = one_place();
    let call = within_patience(client.clone().oneshot(request(&uri)));
    let response = call.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let announced = response.headers().get(CONTENT_LENGTH).cloned();
    assert_eq!(announced, length.map(Into::into));
    let mut body = response.into_body();
    let half = within_patience(body.frame()).await.expect("a frame").unwrap();
    assert_eq!(half.into_data().unwrap(), "frame ");
    assert_eq!(handle.in_flight(), 1);

    proxy.handle().refuse().await.unwrap();
    within_patience(body.frame()).await.expect("it breaks off").unwrap_err();
    assert_eq!(handle.in_flight(), 0, "while the body still exists");

    // And there is nobody any more.
    within_patience(client.oneshot(request(&uri))).await.err().expect("refused");
    assert_eq!((handle.in_flight(), handle.snapshot().admitted), (0, 2));
    assert_eq!(stage.ever(), 1);
}

#[tokio::test]
async fn an_upstream_that_dies_in_mid_body_gives_it_back() {
    dies_in_mid_body(Some(2 * "frame ".len())).await;
    dies_in_mid_body(None).await;
}
