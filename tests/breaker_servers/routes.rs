//! An axum server whose routes fail in turn.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    routing::{MethodRouter, any},
};
use buttress::{core::CircuitState, prelude::*};
use http::{StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, task::JoinSet};
use tower::{
    ServiceBuilder, ServiceExt,
    layer::util::{Identity, Stack},
};

use crate::{client, get};

const ROUTES: u32 = 8;

type Guard = ServiceBuilder<Stack<BreakerLayer<Http>, Stack<RespondLayer, Identity>>>;

/// Fails once on each of the routes that `router` makes of the layer and a counter of calls.
async fn all_open_together(router: impl FnOnce(Guard, Arc<AtomicU32>) -> Router) {
    let breaker = BreakerLayer::builder().consecutive_failures(ROUTES).protocol(Http::new());
    let breaker = breaker.build().unwrap();
    let handle = breaker.handle();
    let guard = ServiceBuilder::new().layer(RespondLayer::new()).layer(breaker);
    let calls = Arc::new(AtomicU32::new(0));
    let router = router(guard, Arc::clone(&calls));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = client();
    let ask = async |route: u32| {
        let uri = format!("http://{address}/{route}").parse().unwrap();
        let (head, body) = client.clone().oneshot(get(&uri)).await.unwrap().into_parts();
        body.collect().await.unwrap();
        (head.status, head.headers.contains_key(RETRY_AFTER))
    };
    for route in 0..ROUTES {
        assert_eq!(handle.state(), CircuitState::Closed, "before route {route} fails");
        assert_eq!(ask(route).await, (StatusCode::BAD_GATEWAY, false));
    }
    assert_eq!(handle.state(), CircuitState::Open);
    for route in 0..ROUTES {
        assert_eq!(ask(route).await, (StatusCode::SERVICE_UNAVAILABLE, true), "route {route}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), ROUTES);
}

fn fails(calls: &Arc<AtomicU32>) -> MethodRouter {
    let calls = Arc::clone(calls);
    any(async move || {
        calls.fetch_add(1, Ordering::SeqCst);
        StatusCode::BAD_GATEWAY
    })
}

#[tokio::test]
async fn eight_routes_each_layered_share_one_breaker() {
    all_open_together(|guard, calls| {
        (0..ROUTES).fold(Router::new(), |router, route| {
            router.route(&format!("/{route}"), fails(&calls).layer(guard.clone()))
        })
    })
    .await;
}

/// And a router's layer, which axum puts around each of them.
#[tokio::test]
async fn eight_routes_layered_at_once_share_one_breaker() {
    all_open_together(|guard, calls| {
        let routes = (0..ROUTES)
            .fold(Router::new(), |router, route| router.route(&format!("/{route}"), fails(&calls)));
        routes.layer(guard)
    })
    .await;
}
