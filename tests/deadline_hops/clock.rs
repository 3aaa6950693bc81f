//! The last hop: a tonic server with one method, which tells how much time it has left.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use buttress::{http::accept_deadline::AcceptDeadlineHandle, prelude::*};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, yield_now},
};
use tonic::{
    body::Body,
    server::NamedService,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::hops::now_left;

/// What the server answers with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// What it has left.
    Remaining,
    /// Nothing, ever.
    Nothing,
    /// Half an answer.
    Stalls,
}

/// The server, and what is known of it.
pub(crate) struct Clock {
    uri: Uri,
    counts: Arc<Counts>,
    door: AcceptDeadlineHandle,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    running: AtomicUsize,
}

impl Clock {
    pub(crate) async fn serve(answer: Answer) -> Self {
        let accept = AcceptDeadlineLayer::new();
        let door = accept.handle();
        let layers = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(accept)
            .layer(TimeoutLayer::builder().protocol(Http::new()).build().unwrap())
            .into_inner();
        let counts = Arc::<Counts>::default();
        let service = ClockService { answer, counts: Arc::clone(&counts) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = Server::builder().layer(layers).add_service(service);
        let incoming = TcpIncoming::from(listener);
        let server = tokio::spawn(async { server.serve_with_incoming(incoming).await.unwrap() });
        Self { uri, counts, door, server }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// How many calls got past the door.
    pub(crate) fn calls(&self) -> usize {
        self.counts.calls.load(Ordering::SeqCst)
    }

    /// How many calls were refused at the door.
    pub(crate) fn refused(&self) -> u64 {
        self.door.snapshot().refused
    }

    /// Waits until no call is left.
    pub(crate) async fn all_gone(&self) {
        while self.counts.running.load(Ordering::SeqCst) > 0 {
            yield_now().await;
        }
    }

    /// Calls with this `grpc-timeout`, and gives the status and the message.
    ///
    /// By hyper's client: tonic's own would end the call itself when that time is up.
    pub(crate) async fn call(&self, timeout: &'static str) -> (String, Bytes) {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let mut request = request(&self.uri);
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static(timeout));
        answer(client.request(request).await.unwrap()).await.unwrap()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Calls the server at `uri` by tonic's client, and gives the status and the message.
pub(crate) async fn call(uri: Uri) -> Result<(String, Bytes), BoxError> {
    let channel = Channel::builder(uri.clone()).connect_lazy();
    let client = ServiceBuilder::new().layer(SendDeadlineLayer::new()).service(channel);
    answer(client.oneshot(request(&uri)).await?).await
}

fn request(uri: &Uri) -> Request<Body> {
    Request::post(format!("{uri}buttress.Clock/Remaining"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(framed(b""))))
        .expect("a valid request")
}

/// The status and the message of a response.
async fn answer<B>(response: Response<B>) -> Result<(String, Bytes), BoxError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let head = response.headers().clone();
    let body = response.into_body().collect().await.map_err(Into::into)?;
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
    let status = status.or(head.get("grpc-status")).ok_or("no grpc-status")?.to_str()?.to_owned();
    let message = body.to_bytes();
    Ok((status, message.slice(message.len().min(5)..)))
}

/// The message as gRPC frames it: not compressed, its length, itself.
fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.extend_from_slice(message);
    framed.freeze()
}

#[derive(Clone)]
struct ClockService {
    answer: Answer,
    counts: Arc<Counts>,
}

impl NamedService for ClockService {
    const NAME: &'static str = "buttress.Clock";
}

/// Counts a call as running until its answer is over or dropped.
struct Running(Arc<Counts>);

impl Running {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service<Request<Body>> for ClockService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        let (answer, running) = (self.answer, Running::new(&self.counts));
        Box::pin(async move {
            let frames = match answer {
                Answer::Remaining => vec![Frame::data(framed(now_left().as_bytes())), ok()],
                Answer::Stalls => vec![Frame::data(framed(b"half"))],
                Answer::Nothing => pending().await,
            };
            let stalls = matches!(answer, Answer::Stalls);
            let frames = stream::iter(frames.into_iter().map(Ok::<_, Infallible>));
            let rest = stream::once(async move {
                let _running = running;
                if stalls { pending().await } else { None }
            });
            let body = StreamBody::new(frames.chain(rest.filter_map(async |end| end)));
            let response = Response::builder().header("content-type", "application/grpc");
            Ok(response.body(Body::new(body)).expect("a valid head"))
        })
    }
}

fn ok() -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Frame::trailers(trailers)
}
