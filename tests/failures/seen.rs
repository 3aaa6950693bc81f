//! What is seen of a call, in a few words.

use std::error::Error;

use buttress::prelude::*;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;

use crate::{failure::Failure, upstream::Upstream};

/// The request that is made to see the failure, whose message is gRPC's where only that can say it.
pub(crate) fn request(failure: Failure, uri: String) -> Request<Full<Bytes>> {
    if failure.is_grpc() {
        let request = Request::post(uri).header("content-type", "application/grpc");
        return request.body(Full::from(&[0, 0, 0, 0, 0][..])).unwrap();
    }
    Request::get(uri).body(Full::default()).unwrap()
}

/// The same to a server, which the client tells how long it waits.
pub(crate) fn request_in_time(failure: Failure, uri: String) -> Request<Full<Bytes>> {
    let mut request = request(failure, uri);
    if failure == Failure::DeadlinePast {
        request.headers_mut().insert("x-request-timeout-ms", "0".parse().unwrap());
    }
    request
}

/// What there is to see of a response and its body, or of the error in its place.
pub(crate) async fn result<B, E>(result: Result<Response<B>, E>, upstream: &Upstream) -> String
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    E: Into<BoxError>,
{
    match result {
        Ok(response) => {
            upstream.head_is_seen();
            self::response(response).await
        }
        Err(error) => format!("`Err`: {}", self::error(error.into().as_ref())),
    }
}

async fn response<B: Body<Data = Bytes, Error: Into<BoxError>>>(response: Response<B>) -> String {
    let (head, body) = response.into_parts();
    let mut seen = head.status.as_u16().to_string();
    if let Some(after) = head.headers.get(RETRY_AFTER) {
        // That of a layer is what remains, and not always the same.
        seen += if after == "30" { ", `Retry-After: 30`" } else { ", `Retry-After`" };
    }
    let is_grpc = head.headers.contains_key("content-type")
        && head.headers["content-type"].as_bytes().starts_with(b"application/grpc");
    let mut said = grpc_status(&head.headers);
    match body.collect().await {
        Ok(body) => said = said.or(body.trailers().and_then(grpc_status)),
        Err(error) => seen = format!("{seen}, body: {}", self::error(error.into().as_ref())),
    }
    match said {
        Some(code) => format!("{seen}, gRPC {code}"),
        None if is_grpc => seen + ", no gRPC status",
        None => seen,
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("grpc-status")?.to_str().unwrap().to_owned())
}

fn error(error: &(dyn Error + 'static)) -> String {
    if let Some(rejection) = Rejection::find(error) {
        let kind = format!("{:?}", rejection.kind());
        let name = kind.split_once(' ').map_or(kind.as_str(), |(name, _)| name);
        return format!("`{name}`");
    }
    let cannot_connect = error.downcast_ref().is_some_and(legacy::Error::is_connect)
        || error.downcast_ref().is_some_and(reqwest::Error::is_connect);
    if cannot_connect { "not connected".into() } else { "cut".into() }
}

/// What there is to see of a call by tonic.
pub(crate) fn status<T>(result: Result<T, tonic::Status>) -> String {
    result.map_or_else(|status| format!("{:?}", status.code()), |_| "Ok".into())
}
