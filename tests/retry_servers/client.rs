//! A hyper-util client with the retry in front of it, and the bodies it sends.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    core::{Event, EventKind},
    prelude::*,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::server::never;

/// A body of any kind, as a gateway passes it on.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speaks {
    H1,
    H2,
}

pub(crate) fn hyper<B>(speaks: Speaks) -> Client<HttpConnector, B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).http2_only(speaks == Speaks::H2).build_http()
}

/// What the retry told: the delays before attempts, and why there were no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    delays: Arc<Mutex<Vec<Duration>>>,
    gave_up: Arc<Mutex<Vec<String>>>,
}

impl Told {
    pub(crate) fn delays(&self) -> Vec<Duration> {
        self.delays.lock().unwrap().clone()
    }

    pub(crate) fn gave_up(&self) -> Vec<String> {
        self.gave_up.lock().unwrap().clone()
    }

    fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let told = self.clone();
        move |event| match event.kind {
            EventKind::Retrying { delay, .. } => told.delays.lock().unwrap().push(delay),
            EventKind::GaveUp { why, .. } => told.gave_up.lock().unwrap().push(why.to_string()),
            _ => {}
        }
    }
}

pub(crate) fn retry(told: &Told) -> JitteredRetryLayer<Http> {
    let ms = Duration::from_millis;
    JitteredRetryLayer::builder()
        .backoff(Backoff::exponential(ms(5), ms(20)))
        .protocol(Http::new())
        .observer(told.observer())
        .build()
        .unwrap()
}

/// The recipe for a client that repeats requests with any body.
pub(crate) fn replaying(
    speaks: Speaks,
    told: &Told,
) -> impl Service<Request<AnyBody>, Response = Response<Incoming>, Error = BoxError, Future: Send> + Clone
{
    ServiceBuilder::new().layer(ReplayBodyLayer::new()).layer(retry(told)).service(hyper(speaks))
}

/// Sends a request through a service.
pub(crate) async fn send<S, B>(service: &S, request: Request<B>) -> Response<Bytes>
where
    S: Service<Request<B>, Response = Response<Incoming>, Error = BoxError> + Clone,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(never).boxed_unsync()
}

/// A body that comes in chunks of 10 bytes, of no known length.
pub(crate) fn streamed(chunks: u32, trailers: Option<HeaderMap>) -> AnyBody {
    let data = (0..chunks).map(|n| Frame::data(Bytes::from(chunk(n))));
    let frames = stream::iter(data.chain(trailers.map(Frame::trailers)).map(Ok::<_, BoxError>));
    // Each frame makes its reader wait once, as those that come from elsewhere do.
    let frames = frames.then(async |frame| {
        tokio::task::yield_now().await;
        frame
    });
    UnsyncBoxBody::new(StreamBody::new(frames))
}

/// What [`streamed`] comes to.
pub(crate) fn text(chunks: u32) -> String {
    (0..chunks).map(chunk).collect::<Vec<_>>().concat()
}

fn chunk(n: u32) -> String {
    format!("{n:010}")
}
