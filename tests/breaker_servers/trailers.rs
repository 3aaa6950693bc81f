//! A tonic server that begins to answer, and says at the end that it could not.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use buttress::{core::CircuitState, prelude::*};
use futures_util::{StreamExt, stream, stream::BoxStream};
use http::{Request, Response};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Code, Status,
    body::Body,
    client::GrpcService,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use crate::is_refusal;

/// Streams one message, and then the end that the caller names; counts the calls.
#[derive(Clone, Default)]
struct Ends {
    calls: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Health for Ends {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(tonic::Response::new(HealthCheckResponse { status: 1 }))
    }

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let message = stream::iter([Ok(HealthCheckResponse { status: 1 })]);
        let end = match Code::from_bytes(request.get_ref().service.as_bytes()) {
            Code::Ok => None,
            code => Some(Err(Status::new(code, "after all"))),
        };
        Ok(tonic::Response::new(message.chain(stream::iter(end)).boxed()))
    }
}

fn breaker() -> BreakerLayer<Http> {
    BreakerLayer::builder().consecutive_failures(3).protocol(Http::new()).build().unwrap()
}

/// Serves as long as the tasks are held, behind this breaker if there is one.
async fn serve(ends: &Ends, breaker: Option<BreakerLayer<Http>>) -> (Channel, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = HealthServer::new(ends.clone());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let incoming = TcpIncoming::from(listener);
        let served = if let Some(breaker) = breaker {
            let layers = ServiceBuilder::new().layer(RespondLayer::new()).layer(breaker);
            Server::builder().layer(layers).add_service(service).serve_with_incoming(incoming).await
        } else {
            Server::builder().add_service(service).serve_with_incoming(incoming).await
        };
        served.unwrap();
    });
    (Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy(), task)
}

fn ending(code: Code) -> HealthCheckRequest {
    HealthCheckRequest { service: (code as i32).to_string() }
}

type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// A client behind this breaker, and whether each head that came to the breaker had a status.
fn guarded(channel: Channel, breaker: BreakerLayer<Http>) -> (HealthClient<Boxed>, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(breaker)
        .map_response(move |response: Response<_>| {
            seen.0.lock().unwrap().push(response.headers().contains_key("grpc-status"));
            response
        })
        .service(channel);
    (HealthClient::new(BoxCloneSyncService::new(service)), heads)
}

#[derive(Clone, Default)]
struct Heads(Arc<Mutex<Vec<bool>>>);

/// Takes the message of a stream, and says what its end was, and the state before that.
async fn watch<S>(
    client: &mut HealthClient<S>,
    code: Code,
    handle: &BreakerHandle,
) -> (CircuitState, Code)
where
    S: GrpcService<Body, ResponseBody = Body>,
{
    let mut stream = client.watch(ending(code)).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().status, 1);
    let before = handle.state();
    let end = stream.message().await;
    (before, end.map_or_else(|status| status.code(), |_| Code::Ok))
}

#[tokio::test]
async fn unavailable_in_the_trailers_opens_it() {
    let ends = Ends::default();
    let (channel, _task) = serve(&ends, None).await;
    let breaker = breaker();
    let handle = breaker.handle();
    let (mut client, heads) = guarded(channel, breaker);
    for call in 1..=3 {
        let (before, end) = watch(&mut client, Code::Unavailable, &handle).await;
        assert_eq!((before, end), (CircuitState::Closed, Code::Unavailable), "call {call}");
        assert_eq!(handle.state() == CircuitState::Open, call == 3, "after call {call}");
    }
    assert_eq!(*heads.0.lock().unwrap(), [false; 3], "the heads said nothing");

    let status = client.watch(ending(Code::Ok)).await.unwrap_err();
    assert!(is_refusal(&status), "{status}");
    assert_eq!(ends.calls.load(Ordering::SeqCst), 3);
}

/// Also under tonic's own client, which reads of a unary call one message and then the trailers.
#[tokio::test]
async fn calls_that_end_well_end_the_row() {
    let ends = Ends::default();
    let (channel, _task) = serve(&ends, None).await;
    let breaker = breaker();
    let handle = breaker.handle();
    let (mut client, heads) = guarded(channel, breaker);
    for _ in 0..2 {
        watch(&mut client, Code::Internal, &handle).await;
    }
    assert_eq!(client.check(ending(Code::Ok)).await.unwrap().into_inner().status, 1);
    for _ in 0..2 {
        watch(&mut client, Code::Unknown, &handle).await;
    }
    assert_eq!(watch(&mut client, Code::Ok, &handle).await.1, Code::Ok);
    for _ in 0..2 {
        watch(&mut client, Code::DataLoss, &handle).await;
    }
    assert_eq!(watch(&mut client, Code::NotFound, &handle).await.1, Code::NotFound);
    for _ in 0..2 {
        watch(&mut client, Code::Unavailable, &handle).await;
    }
    assert_eq!(handle.state(), CircuitState::Closed);
    assert_eq!(*heads.0.lock().unwrap(), [false; 11]);
    watch(&mut client, Code::Unavailable, &handle).await;
    assert_eq!(handle.state(), CircuitState::Open);
}

/// On a server hyper reads the bodies, and asks for nothing after their trailers.
#[tokio::test]
async fn inside_a_server_too() {
    let ends = Ends::default();
    let breaker = breaker();
    let handle = breaker.handle();
    let (channel, _task) = serve(&ends, Some(breaker)).await;
    let mut client = HealthClient::new(channel);
    for code in [Code::Unavailable, Code::Unavailable, Code::Ok] {
        assert_eq!(watch(&mut client, code, &handle).await.1, code);
    }
    for call in 1..=3 {
        assert_eq!(handle.state(), CircuitState::Closed, "before call {call}");
        assert_eq!(watch(&mut client, Code::Unavailable, &handle).await.1, Code::Unavailable);
    }
    assert_eq!(handle.state(), CircuitState::Open);
    let status = client.watch(ending(Code::Ok)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(ends.calls.load(Ordering::SeqCst), 6);
}
