use std::{convert::Infallible, time::Duration};

use buttress::prelude::*;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::{server::conn::auto, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};

async fn hello(_request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".into()))
}

pub async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    let (http, two_seconds) = (Http::new(), Duration::from_secs(2));
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(AcceptDeadlineLayer::new())
        .layer(TimeoutLayer::builder().protocol(http).overall(two_seconds).build()?)
        .layer(BulkheadLayer::builder().protocol(http).max_concurrent(200).build()?)
        .service(service_fn(hello));
    loop {
        let io = TokioIo::new(listener.accept().await?.0);
        let service = TowerToHyperService::new(service.clone());
        let server = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(async move { server.serve_connection(io, service).await });
    }
}
