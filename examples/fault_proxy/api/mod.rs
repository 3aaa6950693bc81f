//! The HTTP API of Toxiproxy 2 over proxies of ours.
//!
//! It names nothing of the program around it, so that tests include it as it is.
//!
//! It differs from Toxiproxy where that would not do what was asked for:
//!
//! - What makes no sense is refused by 400: a time below zero, a toxicity above 1, a `slicer` of pieces of
//!   no size.
//! - A proxy that is disabled holds its port, so that the system gives it to nobody meanwhile.
//! - A proxy without `listen` listens at a free port of 127.0.0.1, and not of all addresses.
//! - `noop`, a toxic that does nothing, is not there. `blackhole` is one more, without attributes.
//! - Toxics are of ours, so they lose no byte when they are changed, half-closed connections go on, and the
//!   time of a `reset_peer` begins when it comes upon the connection.

mod error;
mod fields;
mod listen;
mod proxies;
mod proxy;
mod routes;
mod toxic;

use std::{io, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::sleep,
};

pub(crate) use proxies::Proxies;

/// How long requests in flight have when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves the API until `stop` is ready, and cuts all proxies then.
pub(crate) async fn serve(
    listener: TcpListener,
    mut proxies: Proxies,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (asking, mut asked) = mpsc::channel(1);
    let (stopping, is_stopping) = oneshot::channel();
    let stop = async {
        stop.await;
        let _ = stopping.send(());
    };
    let serving = axum::serve(listener, routes::router(asking)).with_graceful_shutdown(stop);
    let drained = async {
        let _ = is_stopping.await;
        sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = serving => served,
        () = drained => Ok(()),
        () = proxies.keep(&mut asked) => Ok(()),
    };
    proxies.shut_down().await;
    served
}
