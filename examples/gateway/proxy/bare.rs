//! The gateway without the layers: each request is sent once, and waited for.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::{Service, ServiceExt, service_fn};

use super::{
    Settings,
    fields::Peer,
    pass::{self, Answer},
    route::{Route, Routes, Speaks},
    upstream::{self, Client},
};

type Plain = Client<HttpConnector, Incoming>;

/// One client for each protocol, and so one pool.
pub(super) fn routes(routes: Vec<Route>, settings: &Settings) -> Arc<Routes<Plain>> {
    let client = |speaks| Client::new(speaks, settings, upstream::connector());
    let (h1, h2): (Plain, Plain) = (client(Speaks::H1), client(Speaks::H2));
    Arc::new(Routes::new(routes.into_iter().map(|route| match route.upstream.speaks {
        Speaks::H1 => (route, h1.clone()),
        Speaks::H2 => (route, h2.clone()),
    })))
}

/// What serves the connection of this peer.
pub(super) fn service(
    routes: &Arc<Routes<Plain>>,
    peer: SocketAddr,
) -> impl Service<Request<Incoming>, Response = Answer<Incoming>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let service = pass::service(routes, Peer::new(peer));
    service_fn(move |request| {
        let call = service.clone().oneshot(request);
        async move { Ok(call.await.unwrap_or_else(|_| pass::answer(StatusCode::BAD_GATEWAY))) }
    })
}
