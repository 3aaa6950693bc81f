//! What the storefront is made of: the upstreams, and what a visitor wants of each.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};

/// The region in which the gateways stand, and most of their visitors.
const REGION: &str = "north";

/// A service that the page is composed from, or that stands in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    Recommendations,
    Search,
    Profile,
    Pricing,
    Images,
    /// Recommends the same to everybody of a region; asked when nobody knows better.
    Regional,
}

impl Upstream {
    /// Those that the page is composed from.
    pub(crate) const PARTS: [Self; 5] =
        [Self::Recommendations, Self::Search, Self::Profile, Self::Pricing, Self::Images];

    pub(crate) const ALL: [Self; 6] = [
        Self::Recommendations,
        Self::Search,
        Self::Profile,
        Self::Pricing,
        Self::Images,
        Self::Regional,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recommendations => "recommendations",
            Self::Search => "search",
            Self::Profile => "profile",
            Self::Pricing => "pricing",
            Self::Images => "images",
            Self::Regional => "regional",
        }
    }

    /// What it answers about `subject` when all is well.
    pub(crate) fn answer(self, subject: &str) -> Value {
        match self {
            Self::Recommendations => json!({ "personalised": [subject, "teapot", "kettle"] }),
            Self::Search => {
                json!({ "hits": [format!("{subject}, loose"), format!("{subject}, bags")] })
            }
            Self::Profile => json!({ "name": subject, "points": 120, "address": "1 Harbour Lane" }),
            Self::Pricing => json!({ "product": subject, "cents": 100 + 7 * subject.len() }),
            Self::Images => json!({ "high_resolution": format!("/images/{subject}@2x.webp") }),
            Self::Regional => json!({ "region": subject, "liked": ["rain-coat", "teapot"] }),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One visit: who looks at which product, and searches for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The visitor's token, passed on to the upstreams as it came.
    pub(crate) token: Option<HeaderValue>,
    pub(crate) product: String,
    pub(crate) query: String,
}

impl Visit {
    /// What an upstream is asked about; one segment of a path.
    pub(crate) fn subject(&self, upstream: Upstream) -> &str {
        match upstream {
            Upstream::Recommendations | Upstream::Profile => user(self.token.as_ref()),
            Upstream::Search => &self.query,
            Upstream::Pricing | Upstream::Images => &self.product,
            Upstream::Regional => REGION,
        }
    }
}

/// The token among these headers.
pub(crate) fn token(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(AUTHORIZATION).cloned()
}

/// The user that a token names. A real one would be signed.
pub(crate) fn user(token: Option<&HeaderValue>) -> &str {
    token
        .and_then(|token| token.to_str().ok())
        .and_then(|token| token.strip_prefix("Bearer "))
        .filter(|user| !user.is_empty() && user.bytes().all(is_plain))
        .unwrap_or("guest")
}

/// Whether a byte may stand in a path as it is.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_names_the_user() {
        let user_of = |token| user(Some(&HeaderValue::from_static(token))).to_owned();
        assert_eq!(user_of("Bearer user-17"), "user-17");
        assert_eq!(user_of("Bearer "), "guest");
        assert_eq!(user_of("Bearer ../admin"), "guest");
        assert_eq!(user_of("Basic dXNlcg=="), "guest");
        assert_eq!(user(None), "guest");
    }
}
