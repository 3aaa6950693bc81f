//! What is said of a proxy, in a request and in a response.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{error::ApiError, toxic::NamedToxic};

/// What a request says of a proxy. What it leaves out, or says to be null, stays as it is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fields {
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
}

/// What a proxy can not be without.
#[derive(Debug)]
pub(super) struct NewProxy {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
}

impl NewProxy {
    pub(super) fn read(body: &[u8]) -> Result<Self, ApiError> {
        Self::of(read(body)?, "")
    }

    /// All of a list, or none.
    pub(super) fn read_list(body: &[u8]) -> Result<Vec<Self>, ApiError> {
        let list: Vec<Fields> = read(body)?;
        let counted = list.into_iter().enumerate();
        counted
            .map(|(index, fields)| Self::of(fields, &format!(" at proxy {}", index + 1)))
            .collect()
    }

    fn of(fields: Fields, place: &str) -> Result<Self, ApiError> {
        let there = |field: Option<String>, name| {
            let field = field.filter(|text| !text.is_empty());
            field.ok_or_else(|| ApiError::missing(format_args!("{name}{place}")))
        };
        Ok(Self {
            name: there(fields.name, "name")?,
            upstream: there(fields.upstream, "upstream")?,
            listen: fields.listen.unwrap_or_default(),
            enabled: fields.enabled.unwrap_or(true),
        })
    }
}

/// A proxy as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    pub(super) name: &'a str,
    pub(super) listen: SocketAddr,
    pub(super) upstream: &'a str,
    pub(super) enabled: bool,
    pub(super) toxics: Vec<&'a NamedToxic>,
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(ApiError::bad_body)
}
