//! A gRPC service written by hand, of text: all four forms of call, each played by the script that its
//! messages are.

#![allow(dead_code, reason = "not each test that has one does everything with it")]

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress::prelude::*;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream};
use http::{Request, Response};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tonic::{
    Code, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tower::{Layer, Service, service_fn};

use crate::text::Text;

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(20);

/// What the messages play on. A message is words, separated by `;`:
///
/// - `say <text>`: a message;
/// - `left`: a message that says how many milliseconds are left, or `ever`;
/// - `wait`: for [`Forms::go_on`];
/// - `hang`: for ever;
/// - `fail <code>`: ends the call with it;
/// - `push <milliseconds>`: ends it with UNAVAILABLE, and says when to come back.
#[derive(Clone)]
pub(crate) struct Forms {
    calls: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

/// Counts a call as running until its answer is over or dropped.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

type Messages = BoxStream<'static, Result<String, Status>>;

impl Forms {
    pub(crate) fn new() -> Self {
        Self { calls: Arc::default(), running: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    /// How many calls came to a handler.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets one that waits go on.
    pub(crate) fn go_on(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until so many calls run.
    pub(crate) async fn until_running(&self, calls: usize) {
        let running = async {
            while self.running.load(Ordering::SeqCst) != calls {
                yield_now().await;
            }
        };
        timeout(HANG, running).await.unwrap_or_else(|_| panic!("in time: {calls} calls run"));
    }

    /// Serves within this layer, as long as the task is held.
    pub(crate) async fn serve<L, B>(&self, layer: L) -> (String, JoinSet<()>)
    where
        L: Layer<Routes, Service: Clone + Send> + Clone + Send + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().layer(layer).add_service(self.clone());
        let mut task = JoinSet::new();
        task.spawn(async {
            server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        (uri, task)
    }

    fn play(
        &self,
        scripts: impl Stream<Item = Result<String, Status>> + Send + 'static,
    ) -> Messages {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let (running, gate) = (Running(Arc::clone(&self.running)), Arc::clone(&self.gate));
        let words = scripts.map_ok(|script| {
            let words: Vec<_> = script.split(';').map(|word| Ok(word.to_owned())).collect();
            stream::iter(words)
        });
        let said = words.try_flatten().and_then(move |word| {
            let _ = &running;
            play(word, Arc::clone(&gate))
        });
        said.try_filter_map(async |said| Ok(said)).boxed()
    }

    /// The messages in one.
    async fn play_whole(
        &self,
        scripts: impl Stream<Item = Result<String, Status>> + Send + 'static,
    ) -> Result<tonic::Response<String>, Status> {
        let said: Vec<_> = self.play(scripts).try_collect().await?;
        Ok(tonic::Response::new(said.join(" ")))
    }
}

/// What is said at this word, if anything.
async fn play(word: String, gate: Arc<Semaphore>) -> Result<Option<String>, Status> {
    let (verb, rest) = word.split_once(' ').unwrap_or((&word, ""));
    match verb {
        "say" => Ok(Some(rest.to_owned())),
        "left" => Ok(Some(Deadline::current().map_or_else(
            || "ever".to_owned(),
            |deadline| deadline.remaining().as_millis().to_string(),
        ))),
        "wait" => {
            gate.acquire().await.expect("it is never closed").forget();
            Ok(None)
        }
        "hang" => pending().await,
        "fail" => Err(Status::new(Code::from_bytes(rest.as_bytes()), "after all")),
        "push" => {
            let mut status = Status::unavailable("not yet");
            let value = rest.parse().expect("metadata");
            status.metadata_mut().insert("grpc-retry-pushback-ms", value);
            Err(status)
        }
        _ => Err(Status::invalid_argument(word)),
    }
}

impl NamedService for Forms {
    const NAME: &'static str = "buttress.Forms";
}

impl Service<Request<Body>> for Forms {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        type One = tonic::Request<String>;
        type Many = tonic::Request<Streaming<String>>;

        let (forms, mut grpc) = (self.clone(), Grpc::new(Text));
        let once = |one: One| stream::iter([Ok(one.into_inner())]);
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let many = |messages| std::future::ready(Ok::<_, Status>(tonic::Response::new(messages)));
        Box::pin(async move {
            Ok(match method.as_str() {
                "Unary" => {
                    let handler = service_fn(|one: One| {
                        let forms = forms.clone();
                        async move { forms.play_whole(once(one)).await }
                    });
                    grpc.unary(handler, request).await
                }
                "ServerStream" => {
                    let handler = service_fn(|one: One| many(forms.play(once(one))));
                    grpc.server_streaming(handler, request).await
                }
                "ClientStream" => {
                    let handler = service_fn(|all: Many| {
                        let forms = forms.clone();
                        async move { forms.play_whole(all.into_inner()).await }
                    });
                    grpc.client_streaming(handler, request).await
                }
                "Bidi" => {
                    let handler = service_fn(|all: Many| many(forms.play(all.into_inner())));
                    grpc.streaming(handler, request).await
                }
                _ => Status::unimplemented(method).into_http(),
            })
        })
    }
}
