//! Connections: accepted, served, and let go of.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use buttress::prelude::BoxError;
use bytes::Buf;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;

/// Serves whoever connects until `stop` is ready. Then it listens no more, and calls in flight have so
/// long to end. What is left then is cut.
pub(super) async fn serve<S, B>(
    listener: TcpListener,
    service: impl Fn(SocketAddr) -> S,
    stop: impl Future<Output = ()>,
    drain: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    // With a clock, hyper gives a client 30 s to send the head of a request, once it has sent enough of
    // it to be known as one of HTTP/1.
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new()).adaptive_window(true);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    // Out of file descriptors, most likely; some will come back.
                    sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(service(peer));
                let connection = server.serve_connection(TokioIo::new(stream), service);
                connections.spawn(graceful.watch(connection.into_owned()));
            }
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    let _ = timeout(drain, graceful.shutdown()).await;
}
