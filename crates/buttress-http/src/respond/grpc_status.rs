//! The gRPC status for an error.

use std::{error::Error, time::Duration};

use buttress_core::Rejection;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::answers::Answers;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What has to be encoded in a message, by gRPC's protocol over HTTP/2: all but what is printed in
/// ASCII, and the sign itself.
const UNPRINTED: &AsciiSet = &CONTROLS.add(b'%');

/// How a call ended that gave an error.
#[derive(Debug)]
pub(super) struct GrpcStatus {
    code: u16,
    message: HeaderValue,
    /// When to come back, where a layer has said.
    pushback: Option<Duration>,
}

impl GrpcStatus {
    /// The status of an error, by the table of the module's page.
    pub(super) fn of(error: &(dyn Error + 'static), answers: &Answers) -> Self {
        let rejection = Rejection::find(error);
        let code = answers.grpc(rejection);
        let message = match answers.detail(error) {
            Some(detail) => {
                let encoded = utf8_percent_encode(&detail, UNPRINTED).to_string();
                HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(text(code)))
            }
            None => HeaderValue::from_static(text(code)),
        };
        Self { code, message, pushback: rejection.and_then(Rejection::retry_after) }
    }

    /// The status as trailers, in place of the rest of a body.
    ///
    /// They do not say when to come back: what has begun to answer is not repeated.
    pub(super) fn trailers(self) -> HeaderMap {
        let mut trailers = HeaderMap::with_capacity(2);
        self.write(&mut trailers);
        trailers
    }

    /// A response that is its head alone, and says the status in it.
    pub(super) fn response<B>(self, empty: B) -> Response<B> {
        let mut response = Response::new(empty);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Some(delay) = self.pushback {
            headers.insert(PUSHBACK, HeaderValue::from(millis_rounded_up(delay)));
        }
        self.write(headers);
        response
    }

    fn write(self, headers: &mut HeaderMap) {
        headers.insert(STATUS, HeaderValue::from(self.code));
        headers.insert(MESSAGE, self.message);
    }
}

/// No more than the largest number that clients read: gRPC's own hold it in 32 bits with a sign.
fn millis_rounded_up(delay: Duration) -> u32 {
    let millis = delay.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
}

/// The name of a code, as gRPC's "Status codes and their use in gRPC" has it.
fn text(code: u16) -> &'static str {
    match code {
        1 => "Cancelled",
        3 => "Invalid Argument",
        4 => "Deadline Exceeded",
        5 => "Not Found",
        6 => "Already Exists",
        7 => "Permission Denied",
        8 => "Resource Exhausted",
        9 => "Failed Precondition",
        10 => "Aborted",
        11 => "Out Of Range",
        12 => "Unimplemented",
        13 => "Internal",
        14 => "Unavailable",
        15 => "Data Loss",
        16 => "Unauthenticated",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_never_rounded_down_and_fit_what_clients_read() {
        for (delay, millis) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(250), 250),
            (Duration::from_micros(250_001), 251),
            (Duration::MAX, 2_147_483_647),
        ] {
            assert_eq!(millis_rounded_up(delay), millis, "{delay:?}");
        }
    }
}
