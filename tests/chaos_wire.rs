//! Faults as peers see them on a real socket: a client of HTTP/1 that reads bytes, and tonic's.

use std::{io, num::NonZeroU64, time::Duration};

use axum::{Router, routing::get};
use buttress::{chaos::Pace, prelude::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};
use tower::ServiceBuilder;

/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(10);

const TEXT: &str = "a body of thirty-two bytes, all.";

fn none() -> Faults {
    Faults::none()
}

/// A server of axum that always answers with the text, and what makes it fail.
async fn axum_server(tasks: &mut JoinSet<()>) -> (String, ChaosHandle) {
    let http = Http::new().injected(|bare| {
        let page = if bare.status() == 418 { "a pot of tea" } else { "" };
        bare.map(|()| page.into())
    });
    let chaos = ChaosLayer::builder().protocol(http).build().unwrap();
    let faults = chaos.handle();
    let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(chaos);
    let router = Router::new().route("/", get(async || TEXT)).layer(layers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tasks.spawn(async { axum::serve(listener, router).await.unwrap() });
    (address, faults)
}

/// All that comes over a connection until the server closes it, which it is asked to.
async fn fetch(address: &str) -> io::Result<String> {
    let fetch = async {
        let mut client = TcpStream::connect(address).await?;
        let asks = "GET / HTTP/1.1\r\nhost: shop\r\nte: trailers\r\nconnection: close, te\r\n\r\n";
        client.write_all(asks.as_bytes()).await?;
        let mut text = String::new();
        client.read_to_string(&mut text).await?;
        Ok(text)
    };
    timeout(BOUND, fetch).await.expect("it is not to take so long")
}

#[tokio::test]
async fn a_client_of_http_1_sees_each_damage() {
    let mut tasks = JoinSet::new();
    let (address, faults) = axum_server(&mut tasks).await;
    let whole = fetch(&address).await.unwrap();
    assert!(whole.ends_with(TEXT) && whole.contains("content-length: 32"), "{whole}");

    // The head promises what does not come.
    for damage in [none().cut(1.0, 6).unwrap(), none().breaks(1.0, 6).unwrap()] {
        faults.set(damage).unwrap();
        let lost = fetch(&address).await.unwrap();
        assert!(lost.contains("content-length: 32") && lost.ends_with("\r\n\r\na body"), "{lost}");
    }

    faults.set(none().status(1.0, 503).unwrap()).unwrap();
    let status = fetch(&address).await.unwrap();
    assert!(status.starts_with("HTTP/1.1 503") && status.contains("content-length: 0"), "{status}");
    faults.set(none().status(1.0, 418).unwrap()).unwrap();
    let page = fetch(&address).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 418") && page.ends_with("\r\n\r\na pot of tea"), "{page}");
    assert!(page.contains("content-length: 12"), "{page}");

    let (delay, start) = (Duration::from_millis(50), Instant::now());
    faults.set(none().stalls(1.0, 6, delay).unwrap()).unwrap();
    assert!(fetch(&address).await.unwrap().ends_with(TEXT));
    assert!(start.elapsed() >= delay);

    let (rate, start) = (NonZeroU64::new(320).unwrap(), Instant::now());
    faults.set(none().slow(1.0, Pace::BytesPerSecond(rate)).unwrap()).unwrap();
    assert!(fetch(&address).await.unwrap().ends_with(TEXT));
    assert!(start.elapsed() >= Duration::from_millis(95), "32 bytes at 320 a second");

    faults.set(none().trailers(1.0, 14).unwrap()).unwrap();
    let said = "0\r\ngrpc-status: 14\r\ngrpc-message: fault injected on purpose\r\n\r\n";
    assert!(fetch(&address).await.unwrap().ends_with(said));

    faults.set(none().errors(1.0).unwrap()).unwrap();
    assert!(fetch(&address).await.unwrap().starts_with("HTTP/1.1 503"));
    faults.clear();
    assert_eq!(fetch(&address).await.unwrap().split("date").next(), whole.split("date").next());
}

/// Over HTTP/2 a reset throws away what was not sent yet, the head among it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_of_http_2_sees_what_comes_before_a_body_breaks_off() {
    let mut tasks = JoinSet::new();
    let (address, faults) = axum_server(&mut tasks).await;
    faults.set(none().breaks(1.0, 6).unwrap()).unwrap();
    let client = reqwest::Client::builder().http2_prior_knowledge().timeout(BOUND).build().unwrap();
    let mut calls = JoinSet::new();
    let mut seen = 0;
    for _ in 0..50 {
        for _ in 0..20 {
            let call = client.get(format!("http://{address}/")).send();
            calls.spawn(async { call.await?.chunk().await });
        }
        while let Some(came) = calls.join_next().await {
            seen +=
                usize::from(came.unwrap().is_ok_and(|data| data.is_some_and(|d| d == "a body")));
        }
    }
    // Of 1,000; a machine that is busy may be late now and then.
    assert!(seen >= 950, "{seen}");
}

/// A channel to a server of tonic's own, with or without a layer around it.
async fn tonic_server(tasks: &mut JoinSet<()>, chaos: ChaosLayer<Grpc>) -> Channel {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let _reporter = reporter;
        let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(chaos);
        let server = Server::builder().layer(layers).add_service(service);
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    });
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

async fn check(channel: Channel, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: service.into() };
    let mut client = HealthClient::new(channel);
    let answer = timeout(BOUND, client.check(request)).await.expect("it is not to take so long");
    answer.map(|answer| answer.into_inner().status)
}

#[tokio::test]
async fn a_client_of_tonic_sees_the_status() {
    let mut tasks = JoinSet::new();
    let chaos = ChaosLayer::builder().protocol(Grpc::new()).build().unwrap();
    let faults = chaos.handle();
    let channel = tonic_server(&mut tasks, chaos).await;
    assert_eq!(check(channel.clone(), "shop").await.unwrap(), 1);
    assert_eq!(check(channel.clone(), "none").await.unwrap_err().code(), Code::NotFound);

    let trailers = none().trailers(1.0, 15).unwrap();
    for (damage, service, code) in [
        (none().status(1.0, 14).unwrap(), "shop", Code::Unavailable),
        // In the trailers, behind a message; and in the head, where the answer was that alone.
        (trailers, "shop", Code::DataLoss),
        (trailers, "none", Code::DataLoss),
        (none().errors(1.0).unwrap(), "shop", Code::Unavailable),
    ] {
        faults.set(damage).unwrap();
        let refused = check(channel.clone(), service).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    // The message is cut in its middle: the stream is reset, or the status is missing.
    faults.set(none().cut(1.0, 6).unwrap()).unwrap();
    check(channel.clone(), "shop").await.unwrap_err();
    faults.clear();
    assert_eq!(check(channel, "shop").await.unwrap(), 1);
}
