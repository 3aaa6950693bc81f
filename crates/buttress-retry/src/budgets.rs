//! A budget for each key.

use std::{
    fmt,
    hash::Hash,
    sync::atomic::{AtomicUsize, Ordering},
};

use buttress_core::ConfigError;
use quick_cache::{Equivalent, sync::Cache};

use crate::{RetryBudget, RetryBudgetBuilder};

/// The most keys that may be kept: a million budgets are some hundred megabytes.
const MOST_KEYS: usize = 1_000_000;

/// A [`RetryBudget`] for each host, route or tenant, so that one which is down does not use up
/// what the others may repeat.
///
/// About so many are kept. Beyond that those which were not asked for of late are forgotten. So many
/// in all begin full, and those that are made later with nothing saved: a flood of keys, with full
/// budgets each, would otherwise be a way around all of them.
///
/// ```
/// use buttress_core::ConfigError;
/// use buttress_retry::{JitteredRetryLayer, RetryBudget, RetryBudgets, Terms};
///
/// # fn main() -> Result<(), ConfigError> {
/// let budgets = RetryBudgets::new(1_000, RetryBudget::builder())?;
/// let layer = JitteredRetryLayer::builder()
///     .per_request(move |request: &http::Request<()>| {
///         let host = request.uri().host().unwrap_or_default();
///         Terms::new().budget(budgets.of(host))
///     })
///     .build()?;
/// # let _: JitteredRetryLayer<buttress_core::Plain, _> = layer;
/// # Ok(())
/// # }
/// ```
pub struct RetryBudgets<K = String> {
    cache: Cache<K, RetryBudget>,
    max_keys: usize,
    made: AtomicUsize,
    settings: RetryBudgetBuilder,
}

impl<K: Hash + Eq> RetryBudgets<K> {
    /// Keeps budgets with these settings for `max_keys` keys, from 1 to 1,000,000; now and then a
    /// few more, for the keys are spread over several maps.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_keys` or a setting is outside its range.
    pub fn new(max_keys: usize, settings: RetryBudgetBuilder) -> Result<Self, ConfigError> {
        ConfigError::check_count("max_keys", max_keys, MOST_KEYS)?;
        settings.build()?;
        Ok(Self { cache: Cache::new(max_keys), max_keys, made: AtomicUsize::new(0), settings })
    }

    /// The budget of this key: the one that is kept, or else a new one, which is kept from now on.
    ///
    /// To find one that is kept clones no key.
    pub fn of<Q>(&self, key: &Q) -> RetryBudget
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(budget) = self.cache.get(key) {
            return budget;
        }
        let made = || {
            let before = self.made.fetch_add(1, Ordering::Relaxed);
            self.settings.build_with(before < self.max_keys)
        };
        // Of two threads that ask for a new key at once, one makes its budget and both get it.
        self.cache.get_or_insert_with(key, made).unwrap_or_else(|_checked| RetryBudget::default())
    }

    /// How many budgets are kept.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}

impl<K> fmt::Debug for RetryBudgets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudgets")
            .field("max_keys", &self.max_keys)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
