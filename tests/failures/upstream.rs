//! A server that fails in one way, or is well, behind a network that does.

use std::{convert::Infallible, future::ready, net::SocketAddr, time::Duration};

use buttress::{
    chaos::proxy::{FaultProxy, ProxyHandle, Toxic},
    prelude::BoxError,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::failure::Failure;

type Frames = stream::BoxStream<'static, Result<Frame<Bytes>, BoxError>>;

/// A message of gRPC's health service, which says that all is well; under plain HTTP a few bytes.
const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// The part of it that comes, where not all does, and the rest.
const PART: &[u8] = &[0, 0, 0];
const REST: &[u8] = &[0, 2, 8, 1];

/// Listens until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    failure: Failure,
    faults: ProxyHandle,
    head_seen: watch::Sender<bool>,
    _proxy: FaultProxy,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start(failure: Failure) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::builder(listener.local_addr().unwrap()).start().await.unwrap();
        let faults = proxy.handle();
        match failure {
            Failure::Refused => faults.refuse().await.unwrap(),
            Failure::HungHead => faults.add("hangs", Toxic::blackhole()).unwrap(),
            _ => {}
        }
        let (head_seen, seen) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = answer(failure, request.headers(), seen.clone());
                    ready(Ok::<_, Infallible>(response))
                });
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // That the connection breaks is the point.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let address = proxy.address();
        Self { address, failure, faults, head_seen, _proxy: proxy, _serving: serving }
    }

    /// Whoever is at the end has the head: now the rest may come, or what happens to it. Before, it
    /// would depend on the hops between how far the head has come.
    pub(crate) fn head_is_seen(&self) {
        match self.failure {
            Failure::StalledBody => self.faults.add("stalls", Toxic::blackhole()).unwrap(),
            Failure::CutBody => {
                self.faults.add("cut", Toxic::reset_peer(Duration::ZERO).unwrap()).unwrap();
            }
            _ => {}
        }
        self.head_seen.send_replace(true);
    }
}

fn answer(
    failure: Failure,
    asked: &HeaderMap,
    mut head_seen: watch::Receiver<bool>,
) -> Response<StreamBody<Frames>> {
    let content_type = asked.get("content-type").cloned();
    let grpc = content_type.is_some();
    let mut response = Response::new(StreamBody::new(stream::empty().boxed()));
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    let frame = |bytes: &'static [u8]| Ok(Frame::data(Bytes::from_static(bytes)));
    let frames: Frames = match failure {
        Failure::StalledBody | Failure::CutBody | Failure::GivenUpBody => {
            let rest = stream::once(async move {
                let _ = head_seen.wait_for(|seen| *seen).await;
                if failure == Failure::GivenUpBody { Err("given up".into()) } else { frame(REST) }
            });
            let end = stream::iter(grpc.then(|| Ok(Frame::trailers(status("0")))));
            stream::iter([frame(PART)]).chain(rest).chain(end).boxed()
        }
        Failure::Unavailable | Failure::UnavailableForAWhile => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().remove("content-type");
            if failure == Failure::UnavailableForAWhile {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
            }
            stream::empty().boxed()
        }
        Failure::GrpcInHead => {
            response.headers_mut().extend(status("14"));
            stream::empty().boxed()
        }
        Failure::GrpcInTrailers => {
            stream::iter([frame(MESSAGE), Ok(Frame::trailers(status("14")))]).boxed()
        }
        Failure::GrpcMissing => stream::iter([frame(MESSAGE)]).boxed(),
        // What fails here is on the way.
        _ if grpc => stream::iter([frame(MESSAGE), Ok(Frame::trailers(status("0")))]).boxed(),
        _ => stream::iter([frame(MESSAGE)]).boxed(),
    };
    *response.body_mut() = StreamBody::new(frames);
    response
}

fn status(code: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers
}
