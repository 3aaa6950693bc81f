//! The page: five parts, each full or degraded.

use buttress::prelude::BoxError;
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
    pub(crate) recommendations: Part,
    pub(crate) search: Part,
    pub(crate) profile: Part,
    pub(crate) pricing: Part,
    pub(crate) images: Part,
}

/// What one upstream contributes, or what stands in for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The name of what stands in for the real thing, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) degraded: Option<String>,
    pub(crate) content: Value,
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
    /// Whether every part is the real thing.
    pub(crate) fn is_full(&self) -> bool {
        let Self { recommendations, search, profile, pricing, images } = self;
        [recommendations, search, profile, pricing, images].iter().all(|part| part.is_full())
    }
}

impl Part {
    /// A part of this JSON text.
    pub(crate) fn new(content: &Bytes, degraded: Option<String>) -> Result<Self, BoxError> {
        Ok(Self { degraded, content: serde_json::from_slice(content)? })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.degraded.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Has everything but what it is told not to have.
    #[derive(Clone)]
    struct Without {
        degraded: Option<Upstream>,
        failed: Option<Upstream>,
    }

    impl Fetch for Without {
        async fn fetch(&self, upstream: Upstream, visit: &Visit) -> Result<Part, BoxError> {
            if self.failed == Some(upstream) {
                return Err(io::Error::other("down").into());
            }
            let degraded = (self.degraded == Some(upstream)).then(|| "stand-in".to_owned());
            Ok(Part { degraded, content: upstream.answer(visit.subject(upstream)) })
        }
    }

    async fn page(fetch: Without) -> Result<Page, BoxError> {
        let visit = Visit { token: None, product: "3".into(), query: "tea".into() };
        compose(&fetch, &visit).await
    }

    #[tokio::test]
    async fn one_degraded_part_makes_a_degraded_page() {
        assert!(page(Without { degraded: None, failed: None }).await.unwrap().is_full());
        for upstream in Upstream::ALL {
            let page = page(Without { degraded: Some(upstream), failed: None }).await.unwrap();
            assert!(!page.is_full(), "{upstream}");
        }
    }

    #[tokio::test]
    async fn one_failed_part_fails_the_page() {
        for upstream in Upstream::ALL {
            page(Without { degraded: None, failed: Some(upstream) }).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn the_mark_survives_the_way_to_the_visitor() {
        for degraded in [None, Some(Upstream::Pricing)] {
            let page = page(Without { degraded, failed: None }).await.unwrap();
            let sent = serde_json::to_vec(&page).unwrap();
            assert_eq!(serde_json::from_slice::<Page>(&sent).unwrap(), page);
        }
    }
}
