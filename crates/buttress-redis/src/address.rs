//! What a URL says, and what may be said of it.

use std::sync::Arc;

use buttress_core::ConfigError;
use redis::Client;

/// What is shown of a URL is at most its scheme: where the password is in one that makes no sense,
/// nobody knows.
const ALLOWED: &str = "of the form redis://[[user]:password@]host[:port][/database], or rediss:// \
                       for TLS, or redis+unix:///path[?db=1&user=…&pass=…], each special character \
                       of a password percent-encoded";

/// The client for this URL, which has not connected to anything yet, and the address that it is to
/// connect to, which does not tell the password.
pub(crate) fn parse(url: &str) -> Result<(Client, Arc<str>), ConfigError> {
    if has_stray_at(url) {
        return Err(refused(url, "an `@` after the host"));
    }
    let client = Client::open(url).map_err(|error| {
        let error = error.to_string();
        // After the dash comes what the crate quotes of the URL.
        refused(url, error.split(" - ").next().unwrap_or_default())
    })?;
    let address = client.get_connection_info().addr().to_string().into();
    Ok((client, address))
}

/// Whether a password that is not percent-encoded was cut in two, so that its first half would be
/// taken for a host, and be shown.
fn has_stray_at(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let after_host = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    !scheme.contains("unix") && after_host.contains('@')
}

fn refused(url: &str, why: &str) -> ConfigError {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.len() <= 16 && scheme.chars().all(|c| c.is_ascii_lowercase() || c == '+')
    });
    let shown = match scheme {
        Some(scheme) => format!("{scheme}://… ({why})"),
        None => format!("… ({why})"),
    };
    ConfigError::new("url", shown, ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_does_not_tell_the_password() {
        for (url, expected) in [
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("redis://user:hunter2@redis.internal:7000/3", "redis.internal:7000"),
            ("redis://:h%40nter2@redis.internal", "redis.internal:6379"),
            ("redis+unix:///run/r@dis.sock?user=me&pass=hunter2", "/run/r@dis.sock"),
        ] {
            assert_eq!(&*parse(url).unwrap().1, expected);
        }
    }

    #[test]
    fn a_url_that_makes_no_sense_is_refused_without_its_password() {
        for url in [
            "",
            "hunter2",
            "me:hunter2@redis.internal",
            "redis://:hunter2",
            "redis://me:hunter2@redis.internal:port",
            "redis://me:hunter2@redis.internal/hunter2",
            "redis://me:hunter2@",
            "redis://me:hunter2@redis.internal?protocol=hunter2",
            "redis://me:6/hunter2@redis.internal",
            "redis://me:6?hunter2@redis.internal",
            "redis://me:6#hunter2@redis.internal",
            "http://me:hunter2@redis.internal",
            "hunter2://redis.internal",
            "rediss://me:hunter2@redis.internal",
            "redis+unix://hunter2@host/sock?db=hunter2",
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} passed"));
            assert_eq!(error.setting(), "url");
            for said in [format!("{error}"), format!("{error:?}")] {
                assert!(!said.contains("unter2"), "{said}");
            }
        }
    }

    #[test]
    fn it_says_what_is_wrong() {
        let error = parse("rediss://redis.internal").unwrap_err().to_string();
        assert!(error.contains("rediss://… (can't connect with TLS"), "{error}");
        let error = parse("redis://me:6/x@redis.internal").unwrap_err().to_string();
        assert!(error.contains("an `@` after the host"), "{error}");
    }
}
