//! Routers whose routes share the places of one layer, however axum puts it around them.

use axum::{
    Router,
    body::Body,
    extract::State,
    routing::{MethodRouter, get},
};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::{
    Guard, MILLISECOND, ask, client, guard, read, retry_after, server::Server, stage::Stage,
    within_patience,
};

const ROUTES: usize = 8;

/// Asks each of the routes that `router` makes three times, all at once.
async fn share_one_limit(router: impl Fn(Guard, Stage) -> Router) {
    for limit in [1, 3] {
        let (stage, (guard, handle)) = (Stage::new(), guard(limit));
        let server = Server::start(router(guard, stage.clone())).await;
        let mut clients = JoinSet::new();
        for n in 0..3 * ROUTES {
            clients.spawn(ask(client(), server.uri(&format!("/{}", n % ROUTES))));
        }
        // No body ends before all heads are here, so none is served for having come later.
        let heads = within_patience(clients.join_all()).await;
        assert_eq!((stage.now(), handle.in_flight()), (limit, limit));
        stage.let_them_end();
        let mut good = 0;
        for head in heads {
            let (status, headers, _) = read(head).await;
            if status == StatusCode::OK {
                good += 1;
            } else {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                assert!(retry_after(&headers) >= 1);
            }
        }
        assert_eq!((good, stage.ever(), stage.most()), (limit, limit, limit));
        for route in 0..ROUTES {
            let (status, ..) = read(ask(client(), server.uri(&format!("/{route}"))).await).await;
            assert_eq!(status, StatusCode::OK, "route {route} has its places back");
        }
        assert_eq!((stage.most(), handle.in_flight()), (limit, 0));
    }
}

/// Eight routes, each made by `route`.
fn eight<S: Clone + Send + Sync + 'static>(route: impl Fn() -> MethodRouter<S>) -> Router<S> {
    (0..ROUTES).fold(Router::new(), |router, n| router.route(&format!("/{n}"), route()))
}

/// A handler that needs no state; axum layers it anew for each request.
fn plays<S: Clone + Send + Sync + 'static>(stage: &Stage) -> MethodRouter<S> {
    let stage = stage.clone();
    get(async move || stage.body(2, MILLISECOND))
}

async fn of_state(State(stage): State<Stage>) -> Body {
    stage.body(2, MILLISECOND)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn layered_at_once() {
    share_one_limit(|guard, stage| eight(|| plays(&stage)).layer(guard)).await;
    share_one_limit(|guard, stage| eight(|| get(of_state)).layer(guard).with_state(stage)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn layered_at_once_and_only_where_there_are_routes() {
    share_one_limit(|guard, stage| eight(|| plays(&stage)).route_layer(guard)).await;
    share_one_limit(|guard, stage| eight(|| get(of_state)).route_layer(guard).with_state(stage))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_layered_by_a_clone() {
    share_one_limit(|guard, stage| eight(|| plays(&stage).layer(guard.clone()))).await;
    share_one_limit(|guard, stage| eight(|| plays(&stage).route_layer(guard.clone()))).await;
    share_one_limit(|guard, stage| {
        eight(|| get(of_state).post(of_state).route_layer(guard.clone())).with_state(stage)
    })
    .await;
}

/// Routers of routers, one of them with the layer around it, the other with clones of it inside.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_routers_that_are_merged() {
    share_one_limit(|guard, stage| {
        let half = |from: usize| {
            (from..from + ROUTES / 2)
                .fold(Router::new(), |router, n| router.route(&format!("/{n}"), plays(&stage)))
        };
        half(0).layer(guard.clone()).merge(half(ROUTES / 2).route_layer(guard))
    })
    .await;
}
