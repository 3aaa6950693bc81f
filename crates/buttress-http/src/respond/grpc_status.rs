//! The gRPC status for an error.

use std::error::Error;

use buttress_core::{Rejection, RejectionKind};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A code of gRPC, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrpcStatus(u16, &'static str);

impl GrpcStatus {
    const DEADLINE_EXCEEDED: Self = Self(4, "Deadline Exceeded");
    const INTERNAL: Self = Self(13, "Internal");
    const UNAVAILABLE: Self = Self(14, "Unavailable");

    /// The status of an error, by the table of the module's page.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        match Rejection::find(error).map(Rejection::kind) {
            Some(RejectionKind::TimedOut { .. } | RejectionKind::DeadlineExceeded { .. }) => {
                Self::DEADLINE_EXCEEDED
            }
            None
            | Some(
                RejectionKind::CircuitOpen { .. }
                | RejectionKind::BulkheadFull { .. }
                | RejectionKind::QueueTimeout { .. }
                | RejectionKind::Injected,
            ) => Self::UNAVAILABLE,
            Some(_) => Self::INTERNAL,
        }
    }

    /// The status as trailers.
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
        self.write(headers);
        response
    }

    fn write(self, headers: &mut HeaderMap) {
        let Self(code, text) = self;
        headers.insert(STATUS, HeaderValue::from(code));
        headers.insert(MESSAGE, HeaderValue::from_static(text));
    }
}
