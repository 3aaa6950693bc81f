//! One request, passed on to the upstream of its route.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{Request, Response, StatusCode, body::Incoming};
use tower::{Service, ServiceExt, service_fn};

use super::{
    fields::{self, Peer},
    route::Routes,
};

/// What the gateway says itself, or the upstream's body.
pub(crate) type Answer<B> = Response<Either<Full<Bytes>, B>>;

/// The service of one connection.
pub(crate) fn service<S, B>(
    routes: &Arc<Routes<S>>,
    peer: Peer,
) -> impl Service<Request<Incoming>, Response = Answer<B>, Error = S::Error, Future: Send>
+ Clone
+ Send
+ use<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Send + 'static,
{
    let routes = Arc::clone(routes);
    let peer = Arc::new(peer);
    service_fn(move |request: Request<Incoming>| {
        let call = prepare(&routes, &peer, request);
        async move {
            let response = match call {
                Ok((service, request)) => service.oneshot(request).await?,
                Err(status) => return Ok(answer(status)),
            };
            Ok(match fields::response(response) {
                Some((head, body)) => Response::from_parts(head, Either::Right(body)),
                None => answer(StatusCode::BAD_GATEWAY),
            })
        }
    })
}

/// What to send, and by which service; or the status of the gateway's own answer.
fn prepare<S: Clone>(
    routes: &Routes<S>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Result<(S, Request<Incoming>), StatusCode> {
    if let Some(status) = fields::refusal(&request) {
        return Err(status);
    }
    let found = routes.find(request.uri().path());
    let (upstream, service) = found.ok_or(StatusCode::NOT_FOUND)?;
    let (mut head, body) = request.into_parts();
    fields::request(&mut head, upstream, peer);
    Ok((service.clone(), Request::from_parts(head, body)))
}

/// An answer of the gateway itself.
pub(crate) fn answer<B>(status: StatusCode) -> Answer<B> {
    let text = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Either::Left(Full::from(text)));
    *response.status_mut() = status;
    response
}
