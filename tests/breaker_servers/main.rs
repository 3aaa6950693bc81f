//! The breaker in front of real servers, and inside them: what opens it there, and what closes it.

mod cut_bodies;
mod restart;
mod routes;
mod trailers;
mod upstream;

use std::{error::Error, time::Duration};

use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// What any of this may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(uri: &Uri) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// Whether the call was refused because the circuit is open.
fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let kind = Rejection::find(error).map(Rejection::kind);
    matches!(kind, Some(RejectionKind::CircuitOpen { .. }))
}
