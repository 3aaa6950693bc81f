//! The layers, and how they are brought to refuse a call.

use std::{pin::Pin, time::Duration};

use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{
    Layer, Service, ServiceBuilder,
    layer::util::{Identity, Stack},
    service_fn,
};

use crate::failure::Failure;

/// Those of a client, outermost last.
pub(crate) type OfClient = ServiceBuilder<
    Stack<
        SendDeadlineLayer,
        Stack<
            BulkheadLayer<Http>,
            Stack<
                BreakerLayer<Http>,
                Stack<JitteredRetryLayer<Http>, Stack<TimeoutLayer<Http>, Identity>>,
            >,
        >,
    >,
>;

/// Those of a server, outermost last.
pub(crate) type OfServer = ServiceBuilder<
    Stack<
        BulkheadLayer<Http>,
        Stack<
            BreakerLayer<Http>,
            Stack<TimeoutLayer<Http>, Stack<AcceptDeadlineLayer, Stack<RespondLayer, Identity>>>,
        >,
    >,
>;

/// Layers with which a call fails in one way.
pub(crate) struct Layers {
    failure: Failure,
    breaker: BreakerLayer<Http>,
    bulkhead: BulkheadLayer<Http>,
    // The one place, where it is taken.
    _held: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Layers {
    pub(crate) fn that(failure: Failure) -> Self {
        let http = Http::new();
        let breaker = BreakerLayer::builder().protocol(http).build().unwrap();
        let bulkhead = BulkheadLayer::builder().protocol(http).max_concurrent(1).build().unwrap();
        if failure == Failure::BreakerOpen {
            breaker.handle().force_open();
        }
        let held = (failure == Failure::BulkheadFull).then(|| {
            let mut hangs = bulkhead.layer(service_fn(async |_: Request<Empty<Bytes>>| {
                std::future::pending::<Result<Response<Empty<Bytes>>, BoxError>>().await
            }));
            let call = hangs.call(Request::default());
            Box::pin(async { drop(call.await) }) as Pin<Box<dyn Future<Output = ()> + Send>>
        });
        Self { failure, breaker, bulkhead, _held: held }
    }

    pub(crate) fn of_client(&self) -> OfClient {
        let retry = JitteredRetryLayer::builder()
            .protocol(Http::new())
            .max_attempts(2)
            .backoff(Backoff::constant(Duration::from_millis(1)));
        ServiceBuilder::new()
            .layer(self.timeout())
            .layer(retry.build().unwrap())
            .layer(self.breaker.clone())
            .layer(self.bulkhead.clone())
            .layer(SendDeadlineLayer::new())
    }

    pub(crate) fn of_server(&self) -> OfServer {
        ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(AcceptDeadlineLayer::new())
            .layer(self.timeout())
            .layer(self.breaker.clone())
            .layer(self.bulkhead.clone())
    }

    fn timeout(&self) -> TimeoutLayer<Http> {
        let limit = self.failure.limit();
        TimeoutLayer::builder().protocol(Http::new()).overall(limit).build().unwrap()
    }
}

/// The deadline that a call is made under.
pub(crate) fn deadline(failure: Failure) -> Option<Deadline> {
    (failure == Failure::DeadlinePast).then(|| Deadline::after(Duration::ZERO))
}
