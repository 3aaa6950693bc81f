//! Trailers pass, and with them gRPC.

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Code,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response, health_client::HealthClient},
};

use crate::{
    bodies::{bit_by_bit, full},
    raw,
    running::{Gateway, Speaks, client, head},
    soon,
    upstream::Upstream,
};

fn sum(of: &'static str) -> HeaderMap {
    let value = HeaderValue::from_static(of);
    HeaderMap::from_iter([(HeaderName::from_static("x-sum"), value)])
}

/// Answers with the trailers that it is sent, in its head, and with trailers of its own.
async fn sums() -> Upstream {
    Upstream::start(async |request: Request<hyper::body::Incoming>| {
        assert!(request.headers().get("te").is_none_or(|te| te == "trailers"));
        let sent = request.into_body().collect().await?.trailers().cloned().unwrap_or_default();
        let (frames, body) = bit_by_bit();
        tokio::spawn(async move {
            frames.data("a page").await;
            frames.trailers(sum("of the response")).await;
        });
        let mut response = Response::new(body);
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        if let Some(sum) = sent.get("x-sum") {
            response.headers_mut().insert("x-was-sent", sum.clone());
        }
        Ok(response)
    })
    .await
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let upstream = sums().await;
    let (ours, theirs) = (Speaks::H2, Speaks::H2);
    let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
    let (frames, body) = bit_by_bit();
    let request = Request::post(gateway.uri("/")).header("te", "trailers");
    let request = request.header("trailer", "x-sum").body(body).unwrap();
    tokio::spawn(async move {
        frames.data("an order").await;
        frames.trailers(sum("of the request")).await;
    });
    let response = head(&client(ours), request).await;
    assert_eq!(response.headers()["x-was-sent"], "of the request");
    let body = soon("the body comes", response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers(), Some(&sum("of the response")));
    assert_eq!(body.to_bytes(), "a page");
}

/// HTTP/1 has them only for a client that asks, and `TE`, by which it does, is hop by hop.
#[tokio::test]
async fn trailers_pass_through_http_1() {
    let upstream = sums().await;
    for theirs in [Speaks::H1, Speaks::H2] {
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let asked = "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n\r\n";
        let answer = raw::ask(gateway.address, asked).await;
        assert!(answer.ends_with("0\r\nx-sum: of the response\r\n\r\n"), "{theirs:?}: {answer}");
        let plain = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = raw::ask(gateway.address, plain).await;
        assert!(answer.ends_with("a page\r\n0\r\n\r\n"), "{theirs:?}: {answer}");
    }
}

#[tokio::test]
async fn grpc_passes_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let mut serving = JoinSet::new();
    let server = Server::builder().add_service(health);
    serving.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let gateway = Gateway::start(&[("/", &format!("h2:http://{address}"))]).await;
    let channel = Endpoint::from_shared(gateway.uri("/").to_string()).unwrap().connect_lazy();
    let mut client = HealthClient::new(channel);
    let ask = |service: &str| HealthCheckRequest { service: service.into() };

    let answer = soon("a status", client.check(ask("shop"))).await.unwrap().into_inner();
    assert_eq!(answer.status(), health_check_response::ServingStatus::Serving);
    let unknown = soon("an error", client.check(ask("no such thing"))).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "{unknown:?}");

    // A stream of which the first message comes long before the end.
    let mut changes = soon("a stream", client.watch(ask("shop"))).await.unwrap().into_inner();
    let first = soon("a message", changes.next()).await.unwrap().unwrap();
    assert_eq!(first.status(), health_check_response::ServingStatus::Serving);
    reporter.set_service_status("shop", ServingStatus::NotServing).await;
    let second = soon("another", changes.next()).await.unwrap().unwrap();
    assert_eq!(second.status(), health_check_response::ServingStatus::NotServing);
}

/// A caller gets the status that the gateway has for an upstream that is not there.
#[tokio::test]
async fn grpc_gets_a_status_of_the_gateway() {
    let upstream = Upstream::echo().await;
    let (proxy, url) = upstream.by_proxy().await;
    proxy.handle().refuse().await.unwrap();
    let gateway = Gateway::start(&[("/", &format!("h2:{url}"))]).await;
    let request =
        Request::post(gateway.uri("/shop/Order")).header("content-type", "application/grpc");
    let response = head(&client(Speaks::H2), request.body(full("")).unwrap()).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &HeaderValue::from_static("14"))
    );
}
