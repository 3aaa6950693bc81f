//! Five levels of a system that each try three times, all on real sockets.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, routing::any_service};
use buttress::prelude::*;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;
use tokio::{net::TcpListener, task::JoinSet};
use tower::{
    ServiceExt, service_fn,
    util::{BoxCloneSyncService, MapRequestLayer},
};

use crate::client::{Speaks, hyper};

type Level = BoxCloneSyncService<Uri, Response<Incoming>, BoxError>;

/// A client of a server, that tries three times on the default budget, or on none.
fn level(budget: bool) -> Level {
    let ms = Duration::from_millis;
    let retry = JitteredRetryLayer::builder()
        .backoff(Backoff::exponential(ms(1), ms(4)))
        .protocol(Http::new());
    let retry = if budget { retry } else { retry.no_budget() };
    let get = |uri: Uri| http::Request::get(uri).body(Body::empty()).unwrap();
    let client = tower::ServiceBuilder::new()
        .layer(MapRequestLayer::new(get))
        .layer(retry.build().unwrap())
        .service(hyper::<Body>(Speaks::H1));
    BoxCloneSyncService::new(client)
}

async fn serve(router: Router, servers: &mut JoinSet<()>) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    uri
}

/// The calls at the lowest level for each at the highest, once it is known that all fails.
async fn amplification(budget: bool, before: usize, calls: usize) -> f64 {
    let mut servers = JoinSet::new();
    let lowest = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lowest);
    let down = service_fn(move |_: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
        std::future::ready(Ok::<_, Infallible>(response.body(Body::empty()).unwrap()))
    });
    let mut uri = serve(Router::new().route("/", any_service(down)), &mut servers).await;
    // The fifth level is the caller below.
    for _ in 0..4 {
        let (client, next) = (level(budget), uri);
        let passes_on = service_fn(move |_: Request| {
            let call = client.clone().oneshot(next.clone());
            async move { Ok::<_, Infallible>(call.await.unwrap().map(Body::new)) }
        });
        uri = serve(Router::new().route("/", any_service(passes_on)), &mut servers).await;
    }
    let client = level(budget);
    let call = || async {
        let response = client.clone().oneshot(uri.clone()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    };
    let send = |calls| stream::iter(0..calls).for_each_concurrent(16, |_| call());
    send(before).await;
    lowest.store(0, Ordering::SeqCst);
    send(calls).await;
    lowest.load(Ordering::SeqCst) as f64 / calls as f64
}

/// 3^5 are 243.
#[tokio::test]
async fn five_levels_of_three_tries_do_not_multiply() {
    let without = amplification(false, 0, 4).await;
    assert!((without - 243.0).abs() < 1e-9, "{without}");
    // First what is saved for a moment's failures is used up.
    let with = amplification(true, 400, 1_500).await;
    assert!((1.0..=1.5).contains(&with), "{with}");
    println!(
        "five levels of three tries: {without:.0}x without a budget, {with:.2}x with the default"
    );
}
