//! How much repeating is affordable.

mod bucket;
mod settings;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::bucket::Bucket;

pub use self::settings::RetryBudgetBuilder;

/// Bounds repeated calls by those that go well.
///
/// A dependency that fails one call in a hundred has no trouble with that one being repeated. One
/// that fails them all is then asked two or three times as often, when it can bear least, and may
/// never recover: the outage outlives its cause. So repeating is paid for with tokens. A first
/// attempt that succeeds earns a fraction of one, each further attempt costs one, and a few come
/// with time, so that a client with little traffic may repeat too.
///
/// In every span of time
///
/// ```text
/// granted <= ratio * successes + min_per_second * seconds + burst
/// ```
///
/// to the resolution of the clock that it keeps, a millisecond, and whatever threads do at once. What
/// is given back, by a caller who left before his attempt was sent, counts as not granted: while it was
/// held it made room for others, so in one moment there may be more than the burst under way.
/// Counting *successes*, not calls, is what lets it dry up in an outage: N. Bronson et al.,
/// "Metastable Failures in Distributed Systems" (HotOS 2021); the form is that of Finagle's
/// `RetryBudget`.
///
/// Clones share the tokens. One budget may serve several layers that call the same dependency:
///
/// ```
/// use buttress_retry::{JitteredRetryLayer, RetryBudget};
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let budget = RetryBudget::builder().ratio(0.1).build()?;
/// let reads = JitteredRetryLayer::builder().budget(budget.clone()).build()?;
/// let writes = JitteredRetryLayer::builder().max_attempts(2).budget(budget.clone()).build()?;
/// assert_eq!(budget.snapshot().retries, 0);
/// # Ok(())
/// # }
/// ```
///
/// It takes no lock, and a success while it is full is one load.
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    bucket: Bucket,
    /// Milliseconds count from here.
    start: Instant,
    retries: AtomicU64,
    refused: AtomicU64,
}

/// What a budget looked like at one moment; taken by [`RetryBudget::snapshot`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryBudgetSnapshot {
    /// The tokens that are there: so many attempts could be repeated at once.
    pub tokens: f64,
    /// The attempts that were paid for, ever; those given up before they began are not counted.
    pub retries: u64,
    /// The attempts that there was no token for, ever.
    pub refused: u64,
}

/// A token taken out of a budget for one more attempt.
///
/// Taken before the wait, so that those who wait are counted. Dropped without having been
/// [spent](Self::spend), because the caller hung up meanwhile, it goes back.
#[must_use = "a token that is dropped goes back"]
pub struct Withdrawal {
    // None once it was spent.
    shared: Option<Arc<Shared>>,
}

impl RetryBudget {
    /// A builder; see there for the settings and their defaults.
    pub fn builder() -> RetryBudgetBuilder {
        RetryBudgetBuilder::default()
    }

    fn new(bucket: Bucket) -> Self {
        let shared = Shared {
            bucket,
            start: Instant::now(),
            retries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Notes a first attempt that succeeded, which earns a fraction of a token.
    pub fn deposit(&self) {
        self.shared.bucket.deposit();
    }

    /// Takes a token for one more attempt, at `now`; `None` if there is none.
    pub fn withdraw(&self, now: Instant) -> Option<Withdrawal> {
        if !self.shared.bucket.withdraw(self.shared.millis(now)) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.shared.retries.fetch_add(1, Ordering::Relaxed);
        Some(Withdrawal { shared: Some(Arc::clone(&self.shared)) })
    }

    /// What there is to see now.
    pub fn snapshot(&self) -> RetryBudgetSnapshot {
        let shared = &self.shared;
        RetryBudgetSnapshot {
            tokens: shared.bucket.tokens(shared.millis(Instant::now())),
            retries: shared.retries.load(Ordering::Relaxed),
            refused: shared.refused.load(Ordering::Relaxed),
        }
    }
}

/// A budget with every setting at its default.
impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudgetBuilder::default().build().expect("the defaults are valid")
    }
}

impl Shared {
    fn millis(&self, now: Instant) -> u64 {
        let elapsed: Duration = now.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Withdrawal {
    /// The attempt begins: the token does not come back.
    pub fn spend(mut self) {
        self.shared = None;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.bucket.give_back();
            shared.retries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("bucket", &self.shared.bucket).finish_non_exhaustive()
    }
}

impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawal").finish_non_exhaustive()
    }
}
