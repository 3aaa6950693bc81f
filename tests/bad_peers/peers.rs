//! The peers, and a request body that never ends.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body::{Body, Frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// A server that does something wrong, as long as this is held.
pub(crate) struct Peer {
    uri: Uri,
    task: JoinHandle<()>,
}

impl Peer {
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Takes the request, and says nothing.
    pub(crate) async fn never_answers() -> Self {
        Self::serve(|mut stream| async move {
            let mut buffer = [0; 1024];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        })
        .await
    }

    /// Promises more than it sends.
    pub(crate) async fn stalls_after_the_head() -> Self {
        Self::serve(|mut stream| async move {
            take_request(&mut stream).await;
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
            stream.write_all(half).await.unwrap();
            pending::<()>().await;
        })
        .await
    }

    /// Sends a byte a second.
    pub(crate) async fn drips() -> Self {
        Self::serve(|mut stream| async move {
            take_request(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        })
        .await
    }

    /// Accepts, and leaves what is sent where it is.
    pub(crate) async fn never_reads() -> Self {
        Self::serve(|stream| async move {
            pending::<()>().await;
            drop(stream);
        })
        .await
    }

    /// Has room for no further connection, and takes none.
    pub(crate) async fn full_backlog() -> Self {
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
        let task = tokio::spawn(async move {
            pending::<()>().await;
            drop((listener, waiting));
        });
        Self { uri: format!("http://{address}/").parse().unwrap(), task }
    }

    async fn serve<F, Fut>(connection: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connection(stream).await;
            }
        });
        Self { uri: format!("http://{address}/").parse().unwrap(), task }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer before the request is none.
async fn take_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
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
