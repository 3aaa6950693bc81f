//! The gateway with the layers: the server's part around it, a part for each route, and a part for each
//! upstream host.

use std::{collections::HashMap, convert::Infallible, net::SocketAddr, sync::Arc};

use buttress::{
    http::{ReplayBody, respond},
    prelude::*,
    timeout::ConnectTimeout,
};
use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    http::uri::Authority,
};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::{Service, ServiceBuilder};

use super::{
    Settings,
    fields::Peer,
    pass,
    route::{Route, Routes, Speaks, Upstream},
    upstream::{self, Client},
};

/// What the routes to one host share, whatever is spoken: it is one machine that is down, or full.
struct Host {
    breaker: BreakerLayer<Http>,
    bulkhead: BulkheadLayer<Http>,
    attempt: TimeoutLayer<Http>,
    clients: [Client<ConnectTimeout<HttpConnector>, ReplayBody>; 2],
}

impl Host {
    fn new(authority: &Authority, settings: &Settings) -> Result<Self, ConfigError> {
        let (http, name) = (Http::new(), authority.as_str());
        // Not on the whole of an attempt: a download may take as long as it moves.
        let attempt = TimeoutLayer::builder().response(settings.attempt).read(settings.read);
        let connect = ConnectTimeoutLayer::new(settings.connect)?.name(name);
        let connector = ServiceBuilder::new().layer(connect).service(upstream::connector());
        let client = |speaks| Client::new(speaks, settings, connector.clone());
        Ok(Self {
            breaker: BreakerLayer::builder()
                .consecutive_failures(5)
                .open_for(settings.open_for)
                .name(name)
                .protocol(http)
                .build()?,
            bulkhead: BulkheadLayer::builder()
                .max_concurrent(settings.max_concurrent)
                .name(name)
                .protocol(http)
                .build()?,
            attempt: attempt.name(name).protocol(http).build()?,
            clients: [client(Speaks::H1), client(Speaks::H2)],
        })
    }

    fn client(&self, upstream: &Upstream) -> Client<ConnectTimeout<HttpConnector>, ReplayBody> {
        let [h1, h2] = &self.clients;
        match upstream.speaks {
            Speaks::H1 => h1.clone(),
            Speaks::H2 => h2.clone(),
        }
    }
}

/// A stack for each route.
#[expect(clippy::type_complexity, reason = "what has no name is said by what it does")]
pub(super) fn routes(
    routes: Vec<Route>,
    settings: &Settings,
) -> Result<
    Arc<
        Routes<
            impl Service<
                Request<Incoming>,
                Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + use<>>,
                Error = BoxError,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + use<>,
        >,
    >,
    ConfigError,
> {
    let mut hosts = HashMap::new();
    let mut stacks = Vec::with_capacity(routes.len());
    for route in routes {
        let authority = &route.upstream.authority;
        if !hosts.contains_key(authority) {
            hosts.insert(authority.clone(), Host::new(authority, settings)?);
        }
        let host = &hosts[authority];
        let (http, name) = (Http::new(), route.prefix.as_str());
        let overall = TimeoutLayer::builder().overall(settings.overall);
        let stack = ServiceBuilder::new()
            .layer(overall.name(name).protocol(http).build()?)
            .layer(ReplayBodyLayer::new())
            .layer(JitteredRetryLayer::builder().name(name).protocol(http).build()?)
            // Cloned, they are the same breaker and the same bulkhead.
            .layer(host.breaker.clone())
            .layer(host.bulkhead.clone())
            .layer(host.attempt.clone())
            .layer(SendDeadlineLayer::new())
            .service(host.client(&route.upstream));
        stacks.push((route, stack));
    }
    Ok(Arc::new(Routes::new(stacks)))
}

/// What serves the connection of this peer.
pub(super) fn service<S, B>(
    routes: &Arc<Routes<S>>,
    peer: SocketAddr,
) -> impl Service<
    Request<Incoming>,
    Response = Response<
        respond::Body<impl Body<Data = Bytes, Error = BoxError> + Send + use<S, B>>,
    >,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ use<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(AcceptDeadlineLayer::new())
        .service(pass::service(routes, Peer::new(peer)))
}
