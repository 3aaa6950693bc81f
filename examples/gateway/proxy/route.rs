//! Routes: which paths go to which upstream.

use std::str::FromStr;

use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, Scheme},
};

/// Which HTTP an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Speaks {
    H1,
    /// HTTP/2 without TLS, by prior knowledge: what gRPC needs.
    H2,
}

/// Where requests are passed on to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Upstream {
    pub(crate) authority: Authority,
    pub(crate) speaks: Speaks,
}

impl Upstream {
    /// What it is called in `Host`.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.authority.as_str()).ok()
    }
}

/// The paths below a prefix, and their upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: String,
    pub(crate) upstream: Upstream,
}

impl Route {
    /// A prefix ends where a segment does: `/api` is one of `/api/1`, and none of `/apis`.
    ///
    /// Paths are compared as they are written. Whoever has an upstream that takes `/a/%2E%2E/b` for
    /// `/b` does not protect `/b` by having no route for it.
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.prefix.ends_with('/')
        })
    }
}

/// `/prefix=http://host:port`, or `/prefix=h2:http://host:port` for HTTP/2 without TLS.
impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, target) = text.split_once('=').ok_or("must be /prefix=http://host:port")?;
        if !prefix.starts_with('/') || prefix.contains(['?', '#']) {
            return Err("the prefix must be a path".into());
        }
        let (speaks, target) = match target.strip_prefix("h2:") {
            Some(target) => (Speaks::H2, target),
            None => (Speaks::H1, target),
        };
        let uri: Uri = target.parse().map_err(|error| format!("{target}: {error}"))?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.query().is_some() || uri.path() != "/" {
            return Err("the upstream must be http://host:port, and no more".into());
        }
        let authority = uri.authority().ok_or("the upstream must have a host")?;
        if authority.as_str().contains('@') {
            return Err("the upstream must not have a user".into());
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            _ => authority.port_u16().ok_or("the upstream's port must be from 0 to 65535")?,
        };
        // One spelling for one host, whose breaker is found by it.
        let host = format!("{}:{port}", authority.host().to_ascii_lowercase());
        let authority = host.parse().map_err(|error| format!("{host}: {error}"))?;
        Ok(Self { prefix: prefix.into(), upstream: Upstream { authority, speaks } })
    }
}

/// The routes, with the service that each has.
#[derive(Debug)]
pub(crate) struct Routes<S>(Vec<(Route, S)>);

impl<S> Routes<S> {
    pub(crate) fn new(routes: impl IntoIterator<Item = (Route, S)>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(route, _)| std::cmp::Reverse(route.prefix.len()));
        Self(routes)
    }

    /// The one with the longest prefix of this path.
    pub(crate) fn find(&self, path: &str) -> Option<(&Upstream, &S)> {
        let found = self.0.iter().find(|(route, _)| route.covers(path))?;
        Some((&found.0.upstream, &found.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let texts = ["/=http://a", "/api/v1=http://c", "/api=http://b", "/static/=http://d"];
        let routes = Routes::new(texts.map(|text| (route(text), text)));
        for (path, expected) in [
            ("/", "/=http://a"),
            ("/api", "/api=http://b"),
            ("/api/", "/api=http://b"),
            ("/apis", "/=http://a"),
            ("/api/v1/x", "/api/v1=http://c"),
            ("/api/v10", "/api=http://b"),
            ("/static", "/=http://a"),
            ("/static/x", "/static/=http://d"),
        ] {
            assert_eq!(*routes.find(path).unwrap().1, expected, "{path}");
        }
        for path in ["*", ""] {
            assert!(routes.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn hosts_that_are_the_same_are_found_to_be() {
        let one = route("/a=http://LOCALHOST").upstream;
        assert_eq!(one, route("/b=http://localhost:80/").upstream);
        assert_eq!(route("/b=h2:http://localhost:80/").upstream.authority, one.authority);
        assert_eq!(route("/b=http://[::1]:81").upstream.authority.as_str(), "[::1]:81");
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for text in [
            "",
            "/a",
            "a=http://b",
            "/a=b",
            "/a=https://b",
            "/a=http://b/c",
            "/a=http://b?c",
            "/a=http://me@b",
            "/a=h3:http://b",
            "/a?b=http://c",
            "/a=http://b:99999",
        ] {
            text.parse::<Route>().unwrap_err();
        }
    }
}
