//! Connections: accepted, served, and let go of.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

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
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Service, ServiceBuilder};

use super::Settings;

/// How long a client of HTTP/2 may be silent before it is asked whether it is there, and how long it then
/// may be silent still.
const SILENT: Duration = Duration::from_secs(30);

/// Serves whoever connects until `stop` is ready. Then it listens no more, and calls in flight have some
/// time to end. What is left then is cut.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    service: impl Fn(SocketAddr) -> S,
    stop: impl Future<Output = ()>,
    settings: &Settings,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(settings.request);
    server
        .http2()
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(SILENT)
        .keep_alive_timeout(SILENT);
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        // Whoever finds no place waits where the system keeps those who connect.
        let place = Arc::clone(&places);
        let next = async { (place.acquire_owned().await, listener.accept().await) };
        tokio::select! {
            (place, accepted) = next => {
                let Ok((stream, peer)) = accepted else {
                    // Out of file descriptors, most likely; some will come back.
                    sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let asked = Arc::new(AtomicBool::new(false));
                let notes = Arc::clone(&asked);
                let service = ServiceBuilder::new()
                    .map_request(move |request| {
                        notes.store(true, Ordering::Relaxed);
                        request
                    })
                    .service(service(peer));
                let service = TowerToHyperService::new(service);
                let connection = server.serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection.into_owned());
                let in_time = unless_silent(connection, asked, settings.request);
                connections.spawn(async move {
                    in_time.await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    let _ = timeout(settings.drain, graceful.shutdown()).await;
}

/// Serves a connection, unless nothing was asked over it for so long: hyper itself waits for ever for one
/// who sends too little to be known as a client of HTTP/1 or of HTTP/2.
async fn unless_silent(connection: impl Future, asked: Arc<AtomicBool>, limit: Duration) {
    let mut connection = pin!(connection);
    if timeout(limit, &mut connection).await.is_err() && asked.load(Ordering::Relaxed) {
        connection.await;
    }
}
