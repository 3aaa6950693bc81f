//! Which response stands for which error.

use std::{error::Error, time::Duration};

use buttress_core::{Rejection, RejectionKind};
use http::StatusCode;

/// What a caller is told where the layer has no estimate: places come free as calls end, and a
/// half-open circuit closes as its probe does, so soon.
const SOON: Duration = Duration::from_secs(1);

/// The most bytes that are told of an error. Encoded for gRPC they are at most three times as many, and
/// some clients take no more than 8 KiB of fields in all.
const LONGEST: usize = 1000;

/// What a layer answers with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers {
    pub(super) full: StatusCode,
    pub(super) other: StatusCode,
    pub(super) grpc_full: u16,
    pub(super) grpc_other: u16,
    pub(super) details: bool,
}

impl Answers {
    pub(super) const fn new() -> Self {
        Self {
            full: StatusCode::SERVICE_UNAVAILABLE,
            other: StatusCode::BAD_GATEWAY,
            grpc_full: 14,
            grpc_other: 14,
            details: false,
        }
    }

    /// The status of HTTP for an error that is this rejection, or none, and when to come back.
    pub(super) fn http(&self, rejection: Option<&Rejection>) -> (StatusCode, Option<Duration>) {
        let (status, soon) = match rejection.map(Rejection::kind) {
            None => (self.other, None),
            Some(RejectionKind::TimedOut { .. } | RejectionKind::DeadlineExceeded { .. }) => {
                (StatusCode::GATEWAY_TIMEOUT, None)
            }
            Some(RejectionKind::CircuitOpen { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(SOON))
            }
            Some(RejectionKind::BulkheadFull { .. } | RejectionKind::QueueTimeout { .. }) => {
                (self.full, Some(SOON))
            }
            Some(RejectionKind::Injected) => (StatusCode::SERVICE_UNAVAILABLE, None),
            Some(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        (status, rejection.and_then(Rejection::retry_after).or(soon))
    }

    /// The code of gRPC for it.
    pub(super) fn grpc(&self, rejection: Option<&Rejection>) -> u16 {
        match rejection.map(Rejection::kind) {
            None => self.grpc_other,
            Some(RejectionKind::TimedOut { .. } | RejectionKind::DeadlineExceeded { .. }) => 4,
            Some(RejectionKind::BulkheadFull { .. } | RejectionKind::QueueTimeout { .. }) => {
                self.grpc_full
            }
            Some(RejectionKind::CircuitOpen { .. } | RejectionKind::Injected) => 14,
            Some(_) => 13,
        }
    }

    /// What may be told of the error besides.
    pub(super) fn detail(&self, error: &(dyn Error + 'static)) -> Option<String> {
        self.details.then(|| {
            let mut text = match Rejection::find(error) {
                Some(rejection) => rejection.to_string(),
                None => with_causes(error),
            };
            let ends = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(ends.unwrap_or(0));
            text
        })
    }
}

/// An error and what it came of: a client's own word is often no more than that it failed.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |&error| error.source());
    for error in causes {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}
