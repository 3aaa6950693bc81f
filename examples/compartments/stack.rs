//! What stands between the callers and the client: the two ways to share out thirty places.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::HttpBody,
    http::{self, Request, Response, StatusCode},
};
use buttress::{
    bulkhead::{BulkheadLayer, Compartments},
    prelude::{BoxError, Compartment, ConfigError, Http, TimeoutLayer},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use crate::dependency::Dependency;

/// How long a caller is ready to wait for a place.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How long a call may take once it has a place; a hung one keeps it until then. Limits against the worst
/// are often as long, and no call of a default run comes to it. In long runs it gives the shared
/// pool its thirty places back every five seconds, and they are soon payment's again.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How many calls may wait for each place. They are served in a fifth of a second as long as all is
/// well, so the queue evens out bursts, and a machine that stops for a moment; and while nothing
/// comes back, it fills, and who comes then is told so at once.
const QUEUED_PER_PLACE: usize = 10;

/// A request without a body.
pub(crate) type Ask = Request<Empty<Bytes>>;

/// The stack, around a client; a call of it ends when the answer is read.
pub(crate) type Stack = BoxCloneSyncService<Ask, Bytes, BoxError>;

type PlainClient = Client<HttpConnector, Empty<Bytes>>;

/// How the places are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetUp {
    /// Each dependency has its own.
    Compartments,
    /// All dependencies share as many as the compartments have together.
    SharedPool,
}

impl SetUp {
    pub(crate) const ALL: [Self; 2] = [Self::Compartments, Self::SharedPool];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Compartments => "compartments",
            Self::SharedPool => "shared pool",
        }
    }

    /// A stack of this kind, with places and a client of its own.
    pub(crate) fn stack(self) -> Result<Stack, ConfigError> {
        match self {
            Self::Compartments => {
                let mut layer =
                    BulkheadLayer::compartments(name_of).max_wait(PATIENCE).protocol(Http::new());
                for of in Dependency::ALL {
                    let compartment = Compartment::new(of.name(), of.places());
                    layer =
                        layer.compartment(compartment.max_queue(of.places() * QUEUED_PER_PLACE));
                }
                around_client(layer.build()?)
            }
            Self::SharedPool => {
                let places = Dependency::ALL.map(Dependency::places).iter().sum();
                let layer = BulkheadLayer::builder()
                    .max_concurrent(places)
                    .max_wait(PATIENCE)
                    .max_queue(places * QUEUED_PER_PLACE)
                    .protocol(Http::new());
                around_client(layer.build()?)
            }
        }
    }
}

/// A request to this dependency, at this address.
pub(crate) fn request(dependency: Dependency, address: SocketAddr) -> http::Result<Ask> {
    Request::get(format!("http://{address}/{}", dependency.name())).body(Empty::new())
}

/// The compartment that a request belongs to: all upstreams are on one host, so the path says it.
fn name_of(request: &Ask) -> &str {
    request.uri().path().trim_start_matches('/')
}

fn around_client<C>(bulkhead: BulkheadLayer<Http, C>) -> Result<Stack, ConfigError>
where
    C: Compartments<Ask> + Clone + Send + Sync + 'static,
{
    let attempt = TimeoutLayer::builder().overall(ATTEMPT).name("attempt").protocol(Http::new());
    let service = ServiceBuilder::new()
        .and_then(read)
        .layer(bulkhead)
        .layer(attempt.build()?)
        .service(client());
    Ok(BoxCloneSyncService::new(service))
}

/// One client for all upstreams. hyper-util's hidden repetition is off.
fn client() -> PlainClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector)
}

/// Reads an answer to its end: only then its place is free.
async fn read<B>(response: Response<B>) -> Result<Bytes, BoxError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("an upstream answered {}", head.status).into());
    }
    Ok(body.collect().await.map_err(Into::into)?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_compartment() {
        for dependency in Dependency::ALL {
            let address = SocketAddr::from(([127, 0, 0, 1], 80));
            let request = request(dependency, address).unwrap();
            assert_eq!(name_of(&request), dependency.name());
        }
    }

    #[test]
    fn both_can_be_built() {
        for set_up in SetUp::ALL {
            assert!(set_up.stack().is_ok(), "{}", set_up.name());
        }
    }
}
