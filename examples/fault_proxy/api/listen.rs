//! Where a proxy is to listen.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{net::lookup_host, time::timeout};

use super::error::ApiError;

/// A name that takes longer to look up is none.
const LOOKUP: Duration = Duration::from_secs(5);

/// Reads `host:port`. Without a host it is all addresses of IPv4; nothing at all is a free port of
/// 127.0.0.1.
pub(super) async fn read(listen: &str) -> Result<SocketAddr, ApiError> {
    if listen.is_empty() {
        return Ok((Ipv4Addr::LOCALHOST, 0).into());
    }
    if let Some(port) = listen.strip_prefix(':') {
        let port = port.parse().map_err(|error| refused(listen, error))?;
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let found = timeout(LOOKUP, lookup_host(listen)).await;
    let found = found.map_err(|error| refused(listen, error))?;
    let found: Vec<_> = found.map_err(|error| refused(listen, error))?.collect();
    chosen(&found).ok_or_else(|| refused(listen, "no address has this name"))
}

/// The first of IPv4 if there is one, as in Go: `localhost` may be both.
fn chosen(found: &[SocketAddr]) -> Option<SocketAddr> {
    found.iter().find(|address| address.is_ipv4()).or(found.first()).copied()
}

fn refused(listen: &str, reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, format_args!("can not listen at `{listen}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_addresses_of_a_name_ipv4_is_chosen() {
        let [six, four] = ["[::1]:1", "127.0.0.1:1"].map(|address| address.parse().unwrap());
        assert_eq!(chosen(&[six, four]), Some(four));
        assert_eq!(chosen(&[four, six]), Some(four));
        assert_eq!(chosen(&[six]), Some(six));
        assert_eq!(chosen(&[]), None);
    }
}
