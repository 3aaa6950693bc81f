//! What visitors have looked at most of late, whoever they are.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use buttress::prelude::BoxError;

/// How many looks back. Whoever asks for what there is not cannot fill the memory by it.
const LOOKS: usize = 200;
/// Fewer looks are no trend.
const ENOUGH: usize = 20;
/// The products to name.
const TOP: usize = 3;

/// The products that were looked at last, each as often as it was.
#[derive(Clone, Default)]
pub(super) struct Trending(Arc<Mutex<VecDeque<String>>>);

impl Trending {
    pub(super) fn looked_at(&self, product: &str) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == LOOKS {
            looks.pop_front();
        }
        looks.push_back(product.to_owned());
    }

    /// The products that were looked at most; an error as long as there is no trend.
    pub(super) fn products(&self) -> Result<Vec<String>, BoxError> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() < ENOUGH {
            return Err("too few have looked at anything".into());
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for product in looks.iter() {
            *counts.entry(product).or_default() += 1;
        }
        let mut products: Vec<_> = counts.into_iter().collect();
        products.sort_unstable_by_key(|&(product, count)| (Reverse(count), product));
        Ok(products.into_iter().take(TOP).map(|(product, _)| product.to_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(trending: &Trending, product: &str, times: usize) {
        (0..times).for_each(|_| trending.looked_at(product));
    }

    #[test]
    fn a_trend_is_what_enough_have_looked_at() {
        let trending = Trending::default();
        look(&trending, "jug", ENOUGH - 1);
        trending.products().unwrap_err();
        look(&trending, "mug", 1);
        assert_eq!(trending.products().unwrap(), ["jug", "mug"]);
        for (product, times) in [("pot", 7), ("cup", 3), ("mug", 4)] {
            look(&trending, product, times);
        }
        assert_eq!(trending.products().unwrap(), ["jug", "pot", "mug"], "the first three");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let trending = Trending::default();
        look(&trending, "jug", LOOKS);
        look(&trending, "mug", LOOKS);
        assert_eq!(trending.products().unwrap(), ["mug"]);
    }
}
