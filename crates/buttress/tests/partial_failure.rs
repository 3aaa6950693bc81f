//! Pricing fails in the ways of a network, and whoever asks for a price gets one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use buttress::chaos::proxy::{FaultProxy, ProxyHandle, Toxic};
use buttress::{core::CircuitState, prelude::*};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

type Body = UnsyncBoxBody<Bytes, BoxError>;
type Pricing = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, BoxError>;

/// What you test: a call of your own, with the limits that you give it.
fn pricing() -> Result<(Pricing, BreakerHandle), BoxError> {
    let (http, ms) = (Http::new(), Duration::from_millis);
    let connector = ConnectTimeoutLayer::new(ms(100))?.layer(HttpConnector::new());
    let list_price = |_: &(), _: &Failure<'_>| Response::new(Full::from("9.99"));
    let breaker = BreakerLayer::builder()
        .protocol(http)
        .name("pricing")
        .consecutive_failures(5)
        .open_for(ms(50))
        .build()?;
    let handle = breaker.handle();
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(BodyExt::boxed_unsync))
        .layer(FallbackLayer::builder().protocol(http).value("list-price", list_price).build()?)
        .layer(TimeoutLayer::builder().protocol(http).name("pricing").overall(ms(3000)).build()?)
        .layer(JitteredRetryLayer::builder().protocol(http).name("pricing").build()?)
        .layer(breaker)
        .layer(TimeoutLayer::builder().protocol(http).name("attempt").overall(ms(200)).build()?)
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok((BoxCloneSyncService::new(stack), handle))
}

/// What it calls, as it is when all is well, and a proxy before it that breaks what lies between.
struct Dependency {
    proxy: FaultProxy,
    requests: Arc<AtomicUsize>,
}

impl Dependency {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let answer = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            "12.50"
        };
        let router = Router::new().route("/tea", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        // The seed decides which connections a toxic strikes that strikes some: the same in each run.
        Self { proxy: FaultProxy::builder(upstream).rng(1).start().await.unwrap(), requests }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// How often it was asked.
    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn faults(&self) -> ProxyHandle {
        self.proxy.handle()
    }
}

/// The price, and whether it is a degraded one. What does not end ends the test.
async fn price(pricing: &Pricing, of: &Dependency) -> (Bytes, bool) {
    let uri = format!("http://{}/tea", of.address());
    let call = async {
        let request = Request::get(uri).body(Full::default()).unwrap();
        let response = pricing.clone().oneshot(request).await.unwrap();
        let degraded = is_degraded(response.headers());
        (response.into_body().collect().await.unwrap().to_bytes(), degraded)
    };
    tokio::time::timeout(Duration::from_secs(10), call).await.expect("it hangs")
}

fn is_degraded(headers: &HeaderMap) -> bool {
    headers.contains_key("x-buttress-degraded")
}

#[tokio::test]
async fn what_hangs_is_given_up() {
    let dependency = Dependency::start().await;
    let (pricing, _) = pricing().unwrap();
    assert_eq!(price(&pricing, &dependency).await, ("12.50".into(), false));
    dependency.faults().add("hangs", Toxic::blackhole()).unwrap();
    assert_eq!(price(&pricing, &dependency).await, ("9.99".into(), true));
    assert!((3..=4).contains(&dependency.requests()), "each attempt has a limit of its own");
    dependency.faults().remove("hangs");
    assert_eq!(price(&pricing, &dependency).await, ("12.50".into(), false));
}

#[tokio::test]
async fn who_meets_a_reset_asks_again() {
    let dependency = Dependency::start().await;
    let reset = Toxic::reset_peer(Duration::ZERO).unwrap().toxicity(0.3).unwrap();
    dependency.faults().add("some are reset", reset).unwrap();
    for _ in 0..20 {
        // A client of its own has a connection of its own.
        let (pricing, _) = pricing().unwrap();
        assert_eq!(price(&pricing, &dependency).await, ("12.50".into(), false));
    }
}

#[tokio::test]
async fn what_is_down_is_left_alone_until_it_is_back() {
    let dependency = Dependency::start().await;
    let (pricing, breaker) = pricing().unwrap();
    dependency.faults().refuse().await.unwrap();
    let mut calls = 0;
    while breaker.state() == CircuitState::Closed {
        calls += 1;
        assert!(calls < 100, "it is asked on and on");
        assert_eq!(price(&pricing, &dependency).await, ("9.99".into(), true));
    }
    dependency.faults().enable().await.unwrap();
    let mut calls = 0;
    while price(&pricing, &dependency).await.1 {
        calls += 1;
        assert!(calls < 1_000, "it is never asked again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Without sockets time can be paused: then it runs as fast as everybody waits, and is exact.
#[tokio::test(start_paused = true)]
async fn what_is_late_is_cut_off_to_the_millisecond() {
    let limit = Duration::from_secs(2);
    let late = Faults::none().latency(1.0, Duration::from_secs(30)).unwrap();
    let chaos = ChaosLayer::new(late).unwrap();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(limit).unwrap())
        .layer(chaos)
        .service(service_fn(async |()| Ok::<_, BoxError>("12.50")));
    let start = tokio::time::Instant::now();
    let error = service.oneshot(()).await.unwrap_err();
    let rejection = Rejection::find(&*error).expect("a layer of ours cut it off");
    assert!(matches!(rejection.kind(), RejectionKind::TimedOut { .. }), "{rejection}");
    assert_eq!(start.elapsed(), limit);
}
