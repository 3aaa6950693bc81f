//! A hyper server, HTTP/1 and HTTP/2, that writes down what it gets.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use buttress::{chaos::proxy::FaultProxy, prelude::BoxError};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

/// A request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) at: Instant,
}

/// What the server does with the request of this number, counted from 0.
pub(crate) type Answer = dyn Fn(usize) -> Reaction + Send + Sync;

pub(crate) enum Reaction {
    /// Reads the body, then answers.
    Answers(Response<Full<Bytes>>),
    /// Answers, and reads nothing.
    AnswersEarly(Response<Full<Bytes>>),
    /// Reads one frame of the body, then closes the connection.
    BreaksOff,
    /// Reads nothing and answers nothing.
    Hangs,
}

struct State {
    answer: Box<Answer>,
    seen: Mutex<Vec<Seen>>,
    requests: AtomicUsize,
    connections: AtomicUsize,
}

/// Listens until it is dropped.
pub(crate) struct Server {
    pub(crate) uri: Uri,
    state: Arc<State>,
    _connections: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Box::new(answer),
            seen: Mutex::default(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        let uri = format!("http://{address}/").parse().unwrap();
        Self { uri, state, _connections: tasks }
    }

    /// A proxy before it, whose network fails on demand.
    pub(crate) async fn proxy(&self) -> FaultProxy {
        let address = self.uri.authority().expect("an address");
        FaultProxy::builder(address).start().await.unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The requests whose head came.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| handle(Arc::clone(&state), request));
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is part of the test.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let at = Instant::now();
    let number = state.requests.fetch_add(1, Ordering::SeqCst);
    let (head, mut body) = request.into_parts();
    match (state.answer)(number) {
        Reaction::Answers(response) => {
            let body = body.collect().await?;
            let trailers = body.trailers().cloned();
            let (method, headers, body) = (head.method, head.headers, body.to_bytes());
            let seen = Seen { method, headers, body, trailers, at };
            state.seen.lock().unwrap().push(seen);
            Ok(response)
        }
        Reaction::AnswersEarly(response) => Ok(response),
        Reaction::Hangs => std::future::pending().await,
        Reaction::BreaksOff => {
            body.frame().await;
            Err("the server breaks off".into())
        }
    }
}

/// An answer of this status, with a short page.
pub(crate) fn status(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from("a short page")).unwrap()
}

/// Fails with a 503 so often, then serves.
pub(crate) fn fails(times: usize) -> impl Fn(usize) -> Reaction {
    move |number| Reaction::Answers(status(if number < times { 503 } else { 200 }))
}

/// The error of a body that never fails.
pub(crate) fn never(error: Infallible) -> BoxError {
    match error {}
}
