//! Why something was not done, as Toxiproxy says it.

use std::{fmt, io};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};

/// An error, with the status of its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ApiError {
    error: String,
    #[serde(serialize_with = "number")]
    pub(super) status: StatusCode,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), status }
    }

    pub(super) fn bad_body(reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format_args!("bad request body: {reason}"))
    }

    pub(super) fn missing(field: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format_args!("missing required field: {field}"))
    }

    pub(super) fn no_proxy() -> Self {
        Self::new(StatusCode::NOT_FOUND, "proxy not found")
    }

    pub(super) fn no_toxic() -> Self {
        Self::new(StatusCode::NOT_FOUND, "toxic not found")
    }
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
