//! Around axum's routers and routes.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Path},
    routing::get,
};
use buttress::prelude::*;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Full};
use tower::ServiceBuilder;

use crate::{Server, client};

/// Streams its answer, so that nobody knows its length before its end.
async fn price(Path(product): Path<String>) -> Body {
    let parts = ["the price of ".to_owned(), product, " is 7".to_owned()];
    Body::from_stream(stream::iter(parts.map(Ok::<_, Infallible>)))
}

/// A router or a route, and what makes its handlers fail, in each of the ways of layering.
fn protected(whole: bool) -> (Router, ChaosHandle) {
    let http = Http::new();
    let chaos = ChaosLayer::builder().build().unwrap();
    let faults = chaos.handle();
    let key = ResponseKey::new().header(HeaderName::from_static("x-tenant"));
    let fallback = FallbackLayer::builder()
        .name("shop")
        .protocol(http)
        .keep(|request: &Request<Body>| RequestHead::of(request))
        .last_known_good(
            "last-known-good",
            LastKnownGood::new(
                MemoryStore::builder().build().unwrap(),
                move |head: &RequestHead| key.of(head),
            ),
        )
        .respond_with("none", |_, _| async {
            Err::<http::Response<Full<Bytes>>, BoxError>("nothing else".into())
        })
        .build()
        .unwrap();
    let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(fallback).layer(chaos);
    let path = "/price/{product}";
    let router = if whole {
        Router::new().route(path, get(price)).layer(layers)
    } else {
        Router::new().route(path, get(price).layer(layers))
    };
    (router, faults)
}

struct Answer {
    status: StatusCode,
    degraded: Option<String>,
    cache_status: Option<String>,
    has_age: bool,
    body: Bytes,
}

async fn fetch(server: &Server, product: &str, tenant: Option<&str>) -> Answer {
    let uri = format!("http://{}/price/{product}", server.address);
    let mut request = Request::get(uri).header(HOST, "shop").body(Empty::new()).unwrap();
    if let Some(tenant) = tenant {
        request.headers_mut().insert("x-tenant", tenant.parse().unwrap());
    }
    let response = client(false).request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: head.status,
        degraded: header("x-buttress-degraded"),
        cache_status: header("cache-status"),
        has_age: head.headers.contains_key("age"),
        body: body.collect().await.unwrap().to_bytes(),
    }
}

#[tokio::test]
async fn a_handler_that_fails_is_answered_by_what_it_said_last() {
    for whole in [true, false] {
        let (router, faults) = protected(whole);
        let server = Server::start(router).await;
        let fresh = fetch(&server, "tea", Some("a")).await;
        assert_eq!(
            (fresh.status, &fresh.body[..]),
            (StatusCode::OK, &b"the price of tea is 7"[..])
        );
        assert_eq!((fresh.degraded, fresh.cache_status, fresh.has_age), (None, None, false));

        faults.set(Faults::none().errors(1.0).unwrap()).unwrap();
        let remembered = fetch(&server, "tea", Some("a")).await;
        assert_eq!((remembered.status, remembered.body), (StatusCode::OK, fresh.body));
        let mark = remembered.degraded.unwrap();
        assert!(mark.starts_with("last-known-good; age="), "{mark}");
        let status = r#""shop"; fwd=stale; detail="last-known-good""#;
        assert_eq!(remembered.cache_status.as_deref(), Some(status));
        assert!(remembered.has_age);

        // What was never asked for, and what another tenant asked for.
        for (product, tenant) in [("mug", Some("a")), ("tea", Some("b")), ("tea", None)] {
            let failed = fetch(&server, product, tenant).await;
            assert_eq!((failed.status, failed.degraded), (StatusCode::SERVICE_UNAVAILABLE, None));
        }
    }
}

/// Inside `nest` a layer sees no prefix. The whole path has to be brought into the key.
#[tokio::test]
async fn a_tenant_in_the_prefix_of_a_nested_router_has_answers_of_its_own() {
    let http = Http::new();
    let chaos = ChaosLayer::builder().build().unwrap();
    let faults = chaos.handle();
    let key = ResponseKey::new()
        .part(|head| head.extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri.to_string()));
    let store = MemoryStore::builder().build().unwrap();
    let fallback = FallbackLayer::<(), http::Response<Full<Bytes>>>::builder()
        .protocol(http)
        .keep(|request: &Request<Body>| RequestHead::of(request))
        .last_known_good(
            "memory",
            LastKnownGood::new(store, move |head: &RequestHead| key.of(head)),
        )
        .build()
        .unwrap();
    let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(fallback).layer(chaos);
    let of = async |Path(tenant): Path<String>| format!("the price of {tenant}");
    let api = Router::new().route("/price", get(of)).layer(layers);
    let server = Server::start(Router::new().nest("/{tenant}", api)).await;
    let ask = async |tenant: &str| {
        let uri = format!("http://{}/{tenant}/price", server.address).parse().unwrap();
        let response = client(false).get(uri).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    let of_anna = (StatusCode::OK, Bytes::from("the price of anna"));
    assert_eq!(ask("anna").await, of_anna);
    faults.set(Faults::none().errors(1.0).unwrap()).unwrap();
    assert_eq!(ask("anna").await, of_anna);
    assert_eq!(ask("bert").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
