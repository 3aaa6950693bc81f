//! What stands behind a server: a client that calls the one that fails.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use buttress::prelude::{BoxError, RespondLayer};
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::table::Version;

/// Passes on what it is sent, and answers by the response that belongs to it where that fails.
#[derive(Clone)]
pub(crate) struct Forward {
    to: SocketAddr,
    client: Client<HttpConnector, axum::body::Body>,
}

impl Forward {
    pub(crate) fn to(address: SocketAddr, version: Version) -> Self {
        let http2 = version == Version::H2;
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        Self { to: address, client }
    }
}

impl<B> Service<Request<B>> for Forward
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(axum::body::Body::new);
        let path = request.uri().path();
        *request.uri_mut() = format!("http://{}{path}", self.to).parse::<Uri>().unwrap();
        let client = ServiceBuilder::new().layer(RespondLayer::new()).service(self.client.clone());
        Box::pin(async { Ok(client.oneshot(request).await?.map(axum::body::Body::new)) })
    }
}

impl tonic::server::NamedService for Forward {
    const NAME: &'static str = "grpc.health.v1.Health";
}
