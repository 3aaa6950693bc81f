//! The peers, and a request body that never ends.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body as AxumBody};
use buttress::chaos::proxy::{FaultProxy, Toxic};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, Uri, header::CONTENT_LENGTH};
use http_body::{Body, Frame};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

/// What comes at once of an answer, and what of it is held back.
const HALF: &str = "half";
const REST: &str = " of it, and the rest of a long answer";

/// A server that is well, behind a network that is not, as long as this is held.
pub(crate) struct Peer {
    uri: Uri,
    proxy: FaultProxy,
    fails: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Peer {
    /// Answers with a part of what it promises, and sends the rest once the network [fails](Self::fails).
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::builder(listener.local_addr().unwrap()).start().await.unwrap();
        let uri = format!("http://{}/", proxy.address()).parse().unwrap();
        let fails = watch::Sender::new(false);
        let failing = fails.clone();
        let answer = async move || {
            let mut failing = failing.subscribe();
            let rest = stream::once(async move {
                let _ = failing.wait_for(|fails| *fails).await;
                REST
            });
            let body = stream::iter([HALF]).chain(rest).map(Ok::<_, Infallible>);
            let response = Response::new(AxumBody::from_stream(body));
            let length = HALF.len() + REST.len();
            ([(CONTENT_LENGTH, length.to_string())], response)
        };
        let mut serving = JoinSet::new();
        let router = Router::new().fallback(answer);
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { uri, proxy, fails, _serving: serving }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The network does this to all that is sent from now on.
    pub(crate) fn fails(&self, toxic: Toxic) {
        self.proxy.handle().add("fails", toxic).unwrap();
        self.fails.send_replace(true);
    }
}

/// A server that has room for no further connection, and takes none, as long as this is held: what
/// nobody accepts no proxy can play, which would have accepted it first.
pub(crate) struct FullBacklog {
    uri: Uri,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullBacklog {
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // A handshake that nobody answers is repeated after a second; before that it says nothing.
        while let Ok(stream) =
            timeout(Duration::from_millis(500), TcpStream::connect(address)).await
        {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 1_000, "the backlog is never full");
        }
        let uri = format!("http://{address}/").parse().unwrap();
        Self { uri, _listener: listener, _waiting: waiting }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// A request body that goes on as long as somebody takes it.
pub(crate) struct Endless(LastFrame);

/// When the last frame of a body was given.
#[derive(Clone)]
pub(crate) struct LastFrame(Arc<Mutex<Instant>>);

impl Endless {
    pub(crate) fn new() -> (Self, LastFrame) {
        let last = LastFrame(Arc::new(Mutex::new(Instant::now())));
        (Self(last.clone()), last)
    }
}

impl LastFrame {
    pub(crate) fn given(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        *self.0.0.lock().unwrap() = Instant::now();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8_192])))))
    }
}
