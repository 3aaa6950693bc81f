//! How a response is damaged on purpose, and what a request says about it.

mod body;

use buttress_core::{BoxError, Damage, Spoil};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER},
};
use http_body::Body;

pub use body::Spoiled;

use crate::{Grpc, Http};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The highest code of gRPC.
const LAST_CODE: u16 = 16;

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<A, B> Spoil<Request<A>, Response<B>> for Http
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<Spoiled<B>>;

    fn spare(&self, response: Response<B>) -> Self::Response {
        response.map(Spoiled::spared)
    }

    fn spoil(&self, response: Response<B>, damage: Damage) -> Option<Self::Response> {
        Some(spoiled(response, damage))
    }

    /// One of a status from 200 to 599, and what [`injected`](Http::injected) makes of it.
    fn failure(&self, status: u16) -> Option<Self::Response> {
        let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status))?;
        let mut response = Response::new(());
        *response.status_mut() = status;
        Some((self.injected)(response).map(Spoiled::whole))
    }

    fn take_header(&self, request: &mut Request<A>, name: &str) -> Option<String> {
        taken(request.headers_mut(), name)
    }
}

#[diagnostic::do_not_recommend]
impl<A, B> Spoil<Request<A>, Response<B>> for Grpc
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<Spoiled<B>>;

    fn spare(&self, response: Response<B>) -> Self::Response {
        response.map(Spoiled::spared)
    }

    fn spoil(&self, response: Response<B>, damage: Damage) -> Option<Self::Response> {
        Some(spoiled(response, damage))
    }

    /// One that is its head alone, with a code of gRPC, from 0 to 16, and what
    /// [`injected`](Grpc::injected) makes of it.
    fn failure(&self, status: u16) -> Option<Self::Response> {
        if status > LAST_CODE {
            return None;
        }
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        say(headers, status);
        Some((self.http.injected)(response).map(Spoiled::whole))
    }

    fn take_header(&self, request: &mut Request<A>, name: &str) -> Option<String> {
        taken(request.headers_mut(), name)
    }
}

fn spoiled<B: Body>(mut response: Response<B>, mut damage: Damage) -> Response<Spoiled<B>> {
    let headers = response.headers_mut();
    // A response that is its head alone says there how the call went, and has no trailers.
    if headers.contains_key(GRPC_STATUS)
        && let Some(code) = damage.trailers.take()
    {
        say(headers, code);
    }
    // Over HTTP/1 trailers follow only on what is of no known length, and those alone that were announced.
    if damage.trailers.is_some() {
        headers.remove(CONTENT_LENGTH);
        let _ = headers.try_append(TRAILER, HeaderValue::from_static("grpc-status, grpc-message"));
    }
    response.map(|body| Spoiled::new(body, damage))
}

/// Writes this code in place of whatever was said of how the call went.
fn say(fields: &mut HeaderMap, code: u16) {
    fields.remove(GRPC_DETAILS);
    // Where a map has no room for one field more, it is better to say nothing than to panic.
    let _ = fields.try_insert(GRPC_STATUS, HeaderValue::from(code));
    let text = HeaderValue::from_static("fault injected on purpose");
    let _ = fields.try_insert(GRPC_MESSAGE, text);
}

fn taken(headers: &mut HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> =
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    headers.remove(name)?;
    Some(values.join(","))
}
