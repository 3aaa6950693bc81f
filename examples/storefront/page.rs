//! The page: five parts, each full or degraded.

use std::fmt::{self, Write};

use buttress::{core::Degraded, prelude::BoxError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    gateway::Fetch,
    shop::{Upstream, Visit},
};

/// What a visitor gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    recommendations: Part,
    search: Part,
    profile: Part,
    pricing: Part,
    images: Part,
}

/// What one upstream contributes, or what stands in for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// What stands in for the real thing, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) degraded: Option<Mark>,
    pub(crate) content: Value,
}

/// What stands in for the real thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The tier of the fallback that served it.
    pub(crate) tier: String,
    /// How many seconds old it is, if it was remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) age_s: Option<u64>,
}

/// Asks all upstreams at once. A part that cannot be had fails the page, at once.
pub(crate) async fn compose<F: Fetch>(fetch: &F, visit: &Visit) -> Result<Page, BoxError> {
    let (recommendations, search, profile, pricing, images) = tokio::try_join!(
        fetch.fetch(Upstream::Recommendations, visit),
        fetch.fetch(Upstream::Search, visit),
        fetch.fetch(Upstream::Profile, visit),
        fetch.fetch(Upstream::Pricing, visit),
        fetch.fetch(Upstream::Images, visit),
    )?;
    Ok(Page { recommendations, search, profile, pricing, images })
}

impl Page {
    /// The parts, each with the upstream that it is of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Upstream, &Part)> {
        let Self { recommendations, search, profile, pricing, images } = self;
        Upstream::PARTS.into_iter().zip([recommendations, search, profile, pricing, images])
    }

    /// Whether every part is the real thing.
    pub(crate) fn is_full(&self) -> bool {
        self.parts().all(|(_, part)| part.is_full())
    }

    /// Whether it says what this product costs, or did when that was last known; a price that is
    /// another's is none.
    pub(crate) fn has_price_of(&self, product: &str) -> bool {
        let price = &self.pricing.content;
        price["cents"].is_u64() && price["product"] == product
    }

    /// The degraded parts for a header, as a dictionary of RFC 8941: `pricing=last-known-good;age=12`.
    pub(crate) fn degraded_parts(&self) -> String {
        let mut named = String::new();
        for (upstream, part) in self.parts() {
            if let Some(mark) = &part.degraded {
                let comma = if named.is_empty() { "" } else { ", " };
                let _ = write!(named, "{comma}{upstream}={mark}");
            }
        }
        named
    }
}

impl Part {
    /// A part of this JSON text.
    pub(crate) fn new(content: &Bytes, degraded: Option<Mark>) -> Result<Self, BoxError> {
        Ok(Self { degraded, content: serde_json::from_slice(content)? })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.degraded.is_none()
    }
}

impl From<&Degraded> for Mark {
    fn from(degraded: &Degraded) -> Self {
        Self { tier: degraded.tier.to_string(), age_s: degraded.age.map(|age| age.as_secs()) }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tier)?;
        self.age_s.map_or(Ok(()), |age| write!(f, ";age={age}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;

    use serde_json::json;

    use super::*;

    /// Has everything but what it is told not to have.
    #[derive(Clone, Default)]
    pub(crate) struct Without {
        pub(crate) degraded: Vec<(Upstream, Mark)>,
        pub(crate) failed: Option<Upstream>,
    }

    impl Fetch for Without {
        async fn fetch(&self, upstream: Upstream, visit: &Visit) -> Result<Part, BoxError> {
            if self.failed == Some(upstream) {
                return Err(io::Error::other("down").into());
            }
            let degraded = self.degraded.iter().find(|(degraded, _)| *degraded == upstream);
            let degraded = degraded.map(|(_, mark)| mark.clone());
            Ok(Part { degraded, content: upstream.answer(visit.subject(upstream)) })
        }
    }

    pub(crate) fn mark(tier: &str, age_s: Option<u64>) -> Mark {
        Mark { tier: tier.into(), age_s }
    }

    /// A page with these stand-ins.
    pub(crate) async fn degraded(degraded: &[(Upstream, Mark)]) -> Page {
        page(Without { degraded: degraded.to_vec(), failed: None }).await.unwrap()
    }

    async fn page(fetch: Without) -> Result<Page, BoxError> {
        let visit = Visit { token: None, product: "3".into(), query: "tea".into() };
        compose(&fetch, &visit).await
    }

    #[tokio::test]
    async fn one_degraded_part_makes_a_degraded_page() {
        assert!(degraded(&[]).await.is_full());
        for upstream in Upstream::PARTS {
            assert!(!degraded(&[(upstream, mark("stand-in", None))]).await.is_full(), "{upstream}");
        }
    }

    #[tokio::test]
    async fn one_failed_part_fails_the_page() {
        for upstream in Upstream::PARTS {
            page(Without { failed: Some(upstream), ..Without::default() }).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn the_mark_survives_the_way_to_the_visitor() {
        for age_s in [None, Some(12)] {
            let page = degraded(&[(Upstream::Pricing, mark("stand-in", age_s))]).await;
            let sent = serde_json::to_vec(&page).unwrap();
            assert_eq!(serde_json::from_slice::<Page>(&sent).unwrap(), page);
        }
    }

    #[tokio::test]
    async fn only_what_was_remembered_has_an_age() {
        let page = degraded(&[
            (Upstream::Pricing, mark("last-known-good", Some(12))),
            (Upstream::Images, mark("placeholder", None)),
        ])
        .await;
        let page = serde_json::to_value(page).unwrap();
        let remembered = json!({ "tier": "last-known-good", "age_s": 12 });
        assert_eq!(page["pricing"]["degraded"], remembered);
        assert_eq!(page["images"]["degraded"], json!({ "tier": "placeholder" }));
        assert_eq!(page["search"].get("degraded"), None);
    }

    #[tokio::test]
    async fn the_header_names_what_is_degraded_and_nothing_else() {
        assert_eq!(degraded(&[]).await.degraded_parts(), "");
        let page = degraded(&[
            (Upstream::Pricing, mark("last-known-good", Some(12))),
            (Upstream::Search, mark("categories", None)),
        ])
        .await;
        let named = "search=categories, pricing=last-known-good;age=12";
        assert_eq!(page.degraded_parts(), named);
    }

    #[tokio::test]
    async fn the_price_of_another_product_is_no_price() {
        let mut page = degraded(&[(Upstream::Pricing, mark("last-known-good", Some(12)))]).await;
        assert!(!page.has_price_of("4"));
        page.pricing.content = json!({ "cents": 995 });
        assert!(!page.has_price_of("3"), "whose is it?");
    }

    #[tokio::test]
    async fn a_price_is_one_however_old_and_no_price_is_none() {
        let mut page = degraded(&[(Upstream::Pricing, mark("last-known-good", Some(12)))]).await;
        assert!(page.has_price_of("3"));
        page.pricing.content = json!({ "on_request": true });
        assert!(!page.has_price_of("3"));
        page.pricing.content = json!({ "product": "3" });
        assert!(!page.has_price_of("3"));
    }
}
