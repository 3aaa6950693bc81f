//! Compartments chosen by the request, on a server and in front of a client.

use axum::{Router, extract::Path, routing::get};
use buttress::{bulkhead::CompartmentsHandle, prelude::*};
use bytes::Bytes;
use http::{Request, StatusCode, header::RETRY_AFTER};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    MILLISECOND, ask, client, get as request, read, retry_after, server::Server, stage::Stage,
    until, within_patience,
};

/// The first word of a request's path.
fn first_word<B>(request: &Request<B>) -> &str {
    request.uri().path().split('/').nth(1).unwrap_or_default()
}

fn in_flight(handle: &CompartmentsHandle) -> Vec<(&str, usize)> {
    handle.handles().map(|(name, of)| (name, of.in_flight())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_a_server_a_hung_neighbour_changes_nothing() {
    let bulkhead = BulkheadLayer::compartments(first_word::<axum::body::Body>)
        .compartment(("payment", 3))
        .compartment(("email", 1))
        .protocol(Http::new())
        .build()
        .unwrap();
    let handle = bulkhead.handle();
    let guard = ServiceBuilder::new().layer(RespondLayer::new()).layer(bulkhead);
    let (hangs, flows) = (Stage::new(), Stage::new());
    flows.let_them_end();
    let play = (hangs.clone(), flows.clone());
    let serve = get(async move |Path((to, _)): Path<(String, u32)>| {
        let stage = if to == "payment" { &play.0 } else { &play.1 };
        stage.body(2, MILLISECOND)
    });
    let server = Server::start(Router::new().route("/{to}/{n}", serve).layer(guard)).await;

    let mut hung = Vec::new();
    for n in 0..3 {
        hung.push(ask(client(), server.uri(&format!("/payment/{n}"))).await);
    }
    let (status, headers, _) = read(ask(client(), server.uri("/payment/3")).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(retry_after(&headers) >= 1);
    for n in 0..20 {
        let (status, _, body) = read(ask(client(), server.uri(&format!("/email/{n}"))).await).await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"frame frame "[..]));
    }
    assert_eq!(in_flight(&handle), [("email", 0), ("payment", 3)]);
    assert_eq!((hangs.now(), flows.ever(), flows.most()), (3, 20, 1));

    // A mistake in the settings of the server, and none of the client: it says no more.
    let (status, headers, body) = read(ask(client(), server.uri("/invoice/1")).await).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!((headers.get(RETRY_AFTER), &body[..]), (None, &b"Internal Server Error"[..]));
    assert_eq!(handle.unknown(), 1);

    drop(hung);
    until("those who hung are gone", || in_flight(&handle) == [("email", 0), ("payment", 0)]).await;
}

#[tokio::test]
async fn in_front_of_a_client_an_unknown_name_sends_nothing() {
    let stage = Stage::new();
    let play = stage.clone();
    let serve = get(async move || play.body(1, MILLISECOND));
    let server = Server::start(Router::new().fallback(serve)).await;

    let strict = BulkheadLayer::compartments(|request: &Request<_>| first_word(request))
        .compartment(("payment", 1))
        .protocol(Http::new());
    let strict = strict.build().unwrap();
    let strict_client = ServiceBuilder::new().layer(strict.clone()).service(client());
    let error = strict_client.clone().oneshot(request(&server.uri("/email"))).await.err().unwrap();
    assert_eq!(
        Rejection::find(error.as_ref()).map(Rejection::kind),
        Some(&RejectionKind::UnknownCompartment { compartment: "email".into() })
    );
    assert_eq!((strict.handle().unknown(), stage.ever()), (1, 0));

    // As a gateway has it, which answers for its client.
    let gateway = ServiceBuilder::new().layer(RespondLayer::new()).service(strict_client);
    let response = gateway.oneshot(request(&server.uri("/email"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!((strict.handle().unknown(), stage.ever()), (2, 0));
}

/// Those without a compartment of their own share one, and take nobody else's place.
#[tokio::test]
async fn in_front_of_a_client_there_may_be_one_for_all_others() {
    let stage = Stage::new();
    let play = stage.clone();
    let serve = get(async move || play.body(1, MILLISECOND));
    let server = Server::start(Router::new().fallback(serve)).await;

    let bulkhead = BulkheadLayer::compartments(first_word::<Full<Bytes>>)
        .compartment(("payment", 1))
        .default_compartment(("others", 2))
        .protocol(Http::new())
        .build()
        .unwrap();
    let handle = bulkhead.handle();
    let client = ServiceBuilder::new().layer(bulkhead).service(client());
    let send = async |to: &str| {
        within_patience(client.clone().oneshot(request(&server.uri(&format!("/{to}"))))).await
    };
    let held = [send("email").await.unwrap(), send("invoice").await.unwrap()];
    let full = send("report").await.err().unwrap();
    assert_eq!(Rejection::find(full.as_ref()).map(Rejection::name), Some("bulkhead/others"));
    let paid = send("payment").await.unwrap();
    assert_eq!(in_flight(&handle), [("others", 2), ("payment", 1)]);
    assert_eq!((handle.unknown(), stage.ever()), (0, 3));
    drop((held, paid));
    assert_eq!(in_flight(&handle), [("others", 0), ("payment", 0)]);
}
