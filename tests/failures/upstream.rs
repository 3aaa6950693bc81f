//! A server that fails in one way.

use std::net::SocketAddr;

use buttress::prelude::BoxError;
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
use tokio::{net::TcpSocket, sync::watch, task::JoinSet};

use crate::failure::Failure;

type Frames = stream::BoxStream<'static, Result<Frame<Bytes>, BoxError>>;

/// A message of gRPC's health service, which says that all is well; under plain HTTP a few bytes.
const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// The part of it that comes, where not all does.
const PART: &[u8] = &[0, 0, 0];

/// Listens until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    head_seen: watch::Sender<bool>,
    _refuses: Option<TcpSocket>,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) fn start(failure: Failure) -> Self {
        // Bound, and so nobody else's, also where nobody listens at it.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let (head_seen, seen) = watch::channel(false);
        let mut serving = JoinSet::new();
        if failure == Failure::Refused {
            return Self { address, head_seen, _refuses: Some(socket), _serving: serving };
        }
        let listener = socket.listen(128).unwrap();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                let service = service_fn(move |request| answer(failure, request, seen.clone()));
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // That the connection breaks is the point.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, head_seen, _refuses: None, _serving: serving }
    }

    /// Whoever is at the end has the head: now its body may be cut. Before, it would depend on the hops
    /// between how far the head has come.
    pub(crate) fn head_is_seen(&self) {
        self.head_seen.send_replace(true);
    }
}

async fn answer(
    failure: Failure,
    request: Request<Incoming>,
    mut head_seen: watch::Receiver<bool>,
) -> Result<Response<StreamBody<Frames>>, BoxError> {
    let content_type = request.headers().get("content-type").cloned();
    let grpc = content_type.is_some();
    let mut response = Response::new(StreamBody::new(stream::empty().boxed()));
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    let frame = |bytes: &'static [u8]| Ok(Frame::data(Bytes::from_static(bytes)));
    let frames: Frames = match failure {
        Failure::HungHead => std::future::pending().await,
        Failure::StalledBody => stream::iter([frame(PART)]).chain(stream::pending()).boxed(),
        Failure::CutBody => {
            let cut = stream::once(async move {
                let _ = head_seen.wait_for(|seen| *seen).await;
                Err("cut".into())
            });
            stream::iter([frame(PART)]).chain(cut).boxed()
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
    Ok(response)
}

fn status(code: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers
}
