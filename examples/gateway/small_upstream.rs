//! An upstream that answers at once, or never, and counts what reaches it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use buttress::prelude::BoxError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::listening;

/// The body of each answer.
const HELLO: Bytes = Bytes::from_static(&[b'x'; 128]);

/// Where it says how many requests reached it, this one not among them.
pub(crate) const REACHED: &str = "/reached";

/// Whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    Hangs,
}

/// Serves for as long as the process lives.
pub(crate) async fn run(listen: SocketAddr) -> Result<(), BoxError> {
    let listener = TcpListener::bind(listen).await?;
    listening::tell(&listener)?;
    serve(listener, Health::Well).await?;
    Ok(())
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, health: Health) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    let reached = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let reached = Arc::clone(&reached);
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let body = if request.uri().path() == REACHED {
                    Bytes::from(reached.load(Ordering::Relaxed).to_string())
                } else {
                    reached.fetch_add(1, Ordering::Relaxed);
                    HELLO
                };
                async move {
                    if health == Health::Hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, Infallible>(Response::new(Full::new(body)))
                }
            });
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no error of ours.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
