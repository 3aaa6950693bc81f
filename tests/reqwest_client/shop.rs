//! The stack of the recipe, with something to look at.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    core::{Event, EventKind},
    prelude::*,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Longer than any call that is to succeed takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Shop {
    pub(crate) breaker: BreakerHandle,
    pub(crate) bulkhead: BulkheadHandle,
    delays: Arc<Mutex<Vec<Duration>>>,
    client: BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, BoxError>,
}

impl Shop {
    /// One place, two failures in a row, and a limit on the whole.
    pub(crate) fn new(client: reqwest::Client, limit: Duration) -> Self {
        Self::watched(client, limit, || {})
    }

    /// Calls `retrying` before each wait of the retry.
    pub(crate) fn watched(
        client: reqwest::Client,
        limit: Duration,
        retrying: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let http = Http::new().unsent(|error| {
            error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
        });
        let delays = Arc::<Mutex<Vec<Duration>>>::default();
        let told = Arc::clone(&delays);
        let retry =
            JitteredRetryLayer::builder().protocol(http).observer(move |event: &Event<'_>| {
                if let EventKind::Retrying { delay, .. } = event.kind {
                    told.lock().unwrap().push(delay);
                    retrying();
                }
            });
        let breaker = BreakerLayer::builder().consecutive_failures(2).protocol(http);
        let breaker = breaker.build().unwrap();
        let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
        let (breaker_handle, bulkhead_handle) = (breaker.handle(), bulkhead.handle());
        let client = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(UnsyncBoxBody::new))
            .layer(TimeoutLayer::builder().overall(limit).protocol(http).build().unwrap())
            .layer(retry.build().unwrap())
            .layer(breaker)
            .layer(bulkhead)
            .layer(SendDeadlineLayer::new())
            .filter(|request: Request<Full<Bytes>>| {
                reqwest::Request::try_from(request.map(reqwest::Body::wrap))
            })
            .map_response(Response::from)
            .service(client);
        let client = BoxCloneSyncService::new(client);
        Self { breaker: breaker_handle, bulkhead: bulkhead_handle, delays, client }
    }

    pub(crate) fn delays(&self) -> Vec<Duration> {
        self.delays.lock().unwrap().clone()
    }

    /// The head of the answer, and the body that is still to come.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, BoxError> {
        self.client.clone().oneshot(request).await
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response<Body>, BoxError> {
        self.send(Request::get(url).body(Full::default()).unwrap()).await
    }
}

/// reqwest's client, which asks nobody else's proxy.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// All of a body.
pub(crate) async fn read<B: http_body::Body>(response: Response<B>) -> Result<Bytes, B::Error> {
    Ok(response.into_body().collect().await?.to_bytes())
}
