//! Around axum routers and routes.

use axum::{Router, extract::State, routing::get};
use buttress::prelude::Deadline;
use buttress_tests::{Recommended, stack};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

async fn live() -> String {
    // The handler sees the deadline of the attempt, though nobody passed it.
    let remaining = Deadline::current().expect("a deadline").remaining();
    format!("{}", remaining.as_millis() <= 500)
}

/// What a client gets from `/` of this router on a real socket.
async fn fetch(router: Router) -> (StatusCode, Option<String>, Bytes) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, router).await });
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(format!("http://{address}/").parse().unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let mark = head.headers.get("x-buttress-degraded").map(|tier| tier.to_str().unwrap().into());
    let body = body.collect().await.unwrap().to_bytes();
    server.abort();
    (head.status, mark, body)
}

/// Around a whole router and around one route, without state and with.
pub(crate) async fn serves(stack: Recommended) {
    let served = (StatusCode::OK, None, Bytes::from("true"));
    let router = Router::new().route("/", get(live)).layer(stack.clone());
    assert_eq!(fetch(router).await, served);
    let route = get(live).layer(stack.clone());
    let router = Router::new().route("/", route).route("/other", get(async || "bare"));
    assert_eq!(fetch(router).await, served);

    let served = (StatusCode::OK, None, Bytes::from("state"));
    let with_state = async |State(word): State<&'static str>| word;
    let router = Router::new().route("/", get(with_state)).layer(stack.clone());
    assert_eq!(fetch(router.with_state("state")).await, served);
    let router = Router::new().route("/", get(with_state).layer(stack));
    assert_eq!(fetch(router.with_state("state")).await, served);
}

#[tokio::test]
async fn routers_and_routes() {
    serves(stack().unwrap()).await;
}

#[tokio::test]
async fn a_handler_that_fails_is_degraded() {
    let fails = async || (StatusCode::BAD_GATEWAY, "down");
    let router = Router::new().route("/", get(fails)).layer(stack().unwrap());
    let mark = Some("placeholder".to_owned());
    assert_eq!(fetch(router).await, (StatusCode::OK, mark, "a placeholder".into()));
}

/// axum layers each route, and each request of a handler without state, anew: the breaker is
/// still one. Five failures on different routes open it for all of them.
#[tokio::test]
async fn routes_share_one_breaker() {
    use buttress::prelude::*;
    use tower::ServiceExt;

    let breaker = BreakerLayer::builder().protocol(Http::new()).build().unwrap();
    let handle = breaker.handle();
    let layer = tower::ServiceBuilder::new().layer(RespondLayer::new()).layer(breaker);
    let mut router = Router::new();
    for route in 0..8 {
        let fails = async || StatusCode::BAD_GATEWAY;
        router = router.route(&format!("/{route}"), get(fails));
    }
    let router = router.layer(layer);
    let status = async |route: usize| {
        let request = Request::get(format!("/{route}")).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    for route in 0..5 {
        assert_eq!(status(route).await, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(handle.state(), buttress::core::CircuitState::Open);
    assert_eq!(status(7).await, StatusCode::SERVICE_UNAVAILABLE);
}

/// Likewise one bulkhead: a limit of one on eight routes lets one through.
#[tokio::test]
async fn routes_share_one_bulkhead() {
    use buttress::prelude::*;
    use tower::ServiceExt;

    let layer = tower::ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(BulkheadLayer::builder().max_concurrent(1).protocol(Http::new()).build().unwrap());
    let mut router = Router::new();
    for route in 0..8 {
        router = router.route(&format!("/{route}"), get(async || "a body"));
    }
    let router = router.layer(layer);
    let call = async |route: usize| {
        let request = Request::get(format!("/{route}")).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let held = call(0).await;
    assert_eq!(held.status(), StatusCode::OK);
    for route in 0..8 {
        assert_eq!(call(route).await.status(), StatusCode::SERVICE_UNAVAILABLE, "body held");
    }
    held.into_body().collect().await.unwrap();
    assert_eq!(call(1).await.status(), StatusCode::OK);
}
