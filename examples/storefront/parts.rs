//! Who served the parts of the pages: the upstream itself, or which tier of its fallback.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt::{self, Write},
};

use serde::{Serialize, Serializer};

use crate::{page::Page, shop::Upstream};

/// How many parts of each upstream were served by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts([Served; 5]);

/// How many parts of one upstream were served by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Served {
    itself: u64,
    tiers: BTreeMap<String, u64>,
}

impl Parts {
    /// A visitor has got this page.
    pub(crate) fn count(&mut self, page: &Page) {
        for (served, (_, part)) in self.0.iter_mut().zip(page.parts()) {
            match &part.degraded {
                None => served.itself += 1,
                Some(mark) => *served.tiers.entry(mark.tier.clone()).or_default() += 1,
            }
        }
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (Upstream, &Served)> {
        Upstream::PARTS.into_iter().zip(&self.0)
    }
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.each().map(|(upstream, served)| (upstream.name(), served)))
    }
}

/// The tiers in the order of what they served.
impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tiers: Vec<_> = self.tiers.iter().collect();
        tiers.sort_by_key(|&(_, count)| Reverse(count));
        let mut line = format!("itself {}", self.itself);
        for (tier, count) in tiers {
            write!(line, ", {tier} {count}")?;
        }
        f.pad(&line)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::page::tests::{degraded, mark};

    #[tokio::test]
    async fn each_part_counts_for_who_served_it() {
        let mut parts = Parts::default();
        let recommended_by = |tier| [(Upstream::Recommendations, mark(tier, None))];
        for tier in ["constant", "regional", "regional"] {
            parts.count(&degraded(&recommended_by(tier)).await);
        }
        parts.count(&degraded(&[]).await);

        let (upstream, served) = parts.each().next().unwrap();
        assert_eq!(upstream, Upstream::Recommendations);
        assert_eq!(served.to_string(), "itself 1, regional 2, constant 1");
        let json = serde_json::to_value(&parts).unwrap();
        let tiers = json!({ "regional": 2, "constant": 1 });
        assert_eq!(json["recommendations"], json!({ "itself": 1, "tiers": tiers }));
        assert_eq!(json["pricing"], json!({ "itself": 4, "tiers": {} }));
    }
}
