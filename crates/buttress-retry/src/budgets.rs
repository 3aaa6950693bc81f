//! A budget for each key.

use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    sync::atomic::{AtomicUsize, Ordering},
};

use buttress_core::{ConfigError, Keep, Keyed};

use crate::{RetryBudget, RetryBudgetBuilder};

/// A [`RetryBudget`] for each host, route or tenant, so that one which is down does not use up
/// what the others may repeat.
///
/// So many are kept and no more. Beyond that those which were not asked for of late are forgotten, even
/// if someone holds them. So many in all begin full, and those that are made later with nothing saved:
/// a flood of keys, with full budgets each, would otherwise be a way around all of them.
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
    kept: Keyed<K, Kept>,
    made: AtomicUsize,
    settings: RetryBudgetBuilder,
}

#[derive(Clone)]
struct Kept(RetryBudget);

impl Keep for Kept {
    fn is_needed(&self) -> bool {
        false
    }
}

impl<K: Hash + Eq> RetryBudgets<K> {
    /// Keeps budgets with these settings for `max_keys` keys, from 1 to 1,000,000.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_keys` or a setting is outside its range.
    pub fn new(max_keys: usize, settings: RetryBudgetBuilder) -> Result<Self, ConfigError> {
        let kept = Keyed::new(max_keys)?;
        settings.build()?;
        Ok(Self { kept, made: AtomicUsize::new(0), settings })
    }

    /// The budget of this key: the one that is kept, or else a new one, which is kept from now on.
    ///
    /// To find one that is kept clones no key.
    pub fn of<Q>(&self, key: &Q) -> RetryBudget
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let make = |_key: &K| {
            let before = self.made.fetch_add(1, Ordering::Relaxed);
            let budget = self.settings.build_with(before < self.kept.max_keys());
            Kept(budget.unwrap_or_else(|_checked| RetryBudget::default()))
        };
        self.kept.get_or_insert_with(key, make).0
    }

    /// How many budgets are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

impl<K> fmt::Debug for RetryBudgets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudgets")
            .field("kept", &self.kept)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
