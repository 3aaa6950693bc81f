//! A tonic client whose calls are repeated, and a tonic server that is not there yet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::body::Body as AxumBody;
use buttress::{http::ReplayBody, prelude::*};
use http::Request;
use tokio::net::TcpListener;
use tonic::{
    Code, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{ServiceBuilder, ServiceExt, util::MapRequestLayer};

use crate::client::{Speaks, Told, hyper, retry};
use crate::server::{Server as HttpServer, fails};

/// Fails a number of calls with this status and pushback, then serves.
#[derive(Clone)]
struct Recovers {
    calls: Arc<AtomicU32>,
    fails: u32,
    code: Code,
    pushback: Option<&'static str>,
}

#[tonic::async_trait]
impl Health for Recovers {
    type WatchStream = tonic_health::server::WatchStream;

    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert_eq!(request.get_ref().service, "shop", "the message comes whole each time");
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.fails {
            let mut status = Status::new(self.code, "not yet");
            if let Some(pushback) = self.pushback {
                let value = MetadataValue::from_static(pushback);
                status.metadata_mut().insert("grpc-retry-pushback-ms", value);
            }
            return Err(status);
        }
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    async fn watch(
        &self,
        _request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nothing to watch"))
    }
}

/// Asks once, marked or not, and gives the answer, the calls that were made, and what was told.
async fn ask(marked: bool, server: Recovers) -> (Result<i32, Code>, u32, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::clone(&server.calls);
    let serving = Server::builder().add_service(HealthServer::new(server));
    let serving = tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));

    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let told = Told::default();
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer::new())
        .layer(retry(&told))
        .layer(MapRequestLayer::new(|request: Request<ReplayBody>| {
            request.map(tonic::body::Body::new)
        }))
        .service(channel);
    let mut request = tonic::Request::new(HealthCheckRequest { service: "shop".into() });
    if marked {
        request.extensions_mut().insert(Repeatable);
    }
    let answer = HealthClient::new(client).check(request).await;
    serving.abort();
    let answer = answer.map(|answer| answer.into_inner().status).map_err(|status| status.code());
    (answer, calls.load(Ordering::SeqCst), told)
}

fn recovers(fails: u32, code: Code, pushback: Option<&'static str>) -> Recovers {
    Recovers { calls: Arc::default(), fails, code, pushback }
}

#[tokio::test]
async fn a_grpc_method_that_is_marked_is_repeated() {
    let (answer, calls, _) = ask(true, recovers(2, Code::Unavailable, None)).await;
    assert_eq!((answer, calls), (Ok(1), 3));
    let (answer, calls, told) = ask(false, recovers(2, Code::Unavailable, None)).await;
    assert_eq!((answer, calls), (Err(Code::Unavailable), 1), "gRPC requests are POSTs");
    assert_eq!(told.gave_up(), ["the request may not be sent twice"]);
    let (answer, calls, _) = ask(true, recovers(2, Code::Internal, None)).await;
    assert_eq!((answer, calls), (Err(Code::Internal), 1));
}

#[tokio::test]
async fn a_pushback_is_obeyed() {
    let (answer, calls, told) = ask(true, recovers(1, Code::Unavailable, Some("80"))).await;
    assert_eq!((answer, calls), (Ok(1), 2));
    let [delay] = told.delays()[..] else { panic!("one wait") };
    assert!(delay >= Duration::from_millis(80) && delay <= Duration::from_millis(120), "{delay:?}");
    let (answer, calls, _) = ask(true, recovers(1, Code::Unavailable, Some("-1"))).await;
    assert_eq!((answer, calls), (Err(Code::Unavailable), 1));
}

/// An axum body goes through as any other.
#[tokio::test]
async fn an_axum_body_is_repeated() {
    let server = HttpServer::start(fails(2)).await;
    let chunks = futures_util::stream::iter(["one ", "two"].map(Ok::<_, BoxError>));
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer::new())
        .layer(retry(&Told::default()))
        .layer(MapRequestLayer::new(|request: Request<ReplayBody>| request.map(AxumBody::new)))
        .service(hyper::<AxumBody>(Speaks::H1));
    let request = Request::put(&server.uri).body(AxumBody::from_stream(chunks)).unwrap();
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    let seen = server.seen();
    assert!(seen.len() == 3 && seen.iter().all(|request| request.body == "one two"));
}
