//! The service, and the stack on the server, around the client's channel, or both.

use std::time::Duration;

use buttress::prelude::*;
use http::Response;
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};
use tonic::{Status, body::Body};
use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

use crate::{
    caller::{Way, channel},
    service::Forms,
};

/// Longer than any call that is to end by itself takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stands {
    OnServer,
    AroundChannel,
    OnBoth,
}

impl Stands {
    pub(crate) const ALL: [Self; 3] = [Self::OnServer, Self::AroundChannel, Self::OnBoth];
}

pub(crate) struct Stage {
    pub(crate) forms: Forms,
    pub(crate) way: Way,
    bulkheads: Vec<BulkheadHandle>,
    _server: JoinSet<()>,
}

impl Stage {
    /// With a limit on the whole call, and so many places.
    pub(crate) async fn set(stands: Stands, limit: Duration, places: usize) -> Self {
        let (forms, mut bulkheads) = (Forms::new(), Vec::new());
        let (uri, server) = if stands == Stands::AroundChannel {
            forms.serve(Identity::new()).await
        } else {
            let (layers, bulkhead) = stack(limit, places);
            bulkheads.push(bulkhead);
            forms
                .serve(Stack::new(
                    Stack::new(layers, AcceptDeadlineLayer::new()),
                    RespondLayer::new(),
                ))
                .await
        };
        let way = if stands == Stands::OnServer {
            Way::new(
                ServiceBuilder::new()
                    .map_err(|error| Status::from_error(Box::new(error)))
                    .service(channel(&uri)),
            )
        } else {
            let (layers, bulkhead) = stack(limit, places);
            bulkheads.push(bulkhead);
            let service = ServiceBuilder::new()
                .map_response(|response: Response<_>| response.map(Body::new))
                .map_err(|never| match never {})
                .layer(RespondLayer::new())
                .layer(layers)
                .layer(SendDeadlineLayer::new())
                .service(channel(&uri));
            Way::new(service)
        };
        Self { forms, way, bulkheads, _server: server }
    }

    /// Waits until no call has a place.
    pub(crate) async fn until_free(&self) {
        let free = async {
            while self.in_flight() > 0 {
                yield_now().await;
            }
        };
        timeout(LONG, free).await.expect("in time: no call has a place");
    }

    /// The calls that have a place, where most have.
    pub(crate) fn in_flight(&self) -> usize {
        self.bulkheads.iter().map(BulkheadHandle::in_flight).max().unwrap_or_default()
    }
}

type Layers = Stack<BulkheadLayer<Http>, Stack<BreakerLayer<Http>, TimeoutLayer<Http>>>;

fn stack(limit: Duration, places: usize) -> (Layers, BulkheadHandle) {
    let http = Http::new();
    let bulkhead = BulkheadLayer::builder().max_concurrent(places).protocol(http).build().unwrap();
    let handle = bulkhead.handle();
    let limit = TimeoutLayer::builder().overall(limit).protocol(http).build().unwrap();
    let breaker = BreakerLayer::builder().protocol(http).build().unwrap();
    (Stack::new(bulkhead, Stack::new(breaker, limit)), handle)
}
