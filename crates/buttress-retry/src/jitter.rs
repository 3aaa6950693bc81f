//! How a wait is drawn.

use std::time::Duration;

use rand::{Rng, RngExt};

/// How the wait is drawn below the bound that the [`Backoff`](crate::Backoff) gives.
///
/// Clients that failed together and wait equally long come back together, and fail together
/// again. Jitter spreads them. The four ways are those of Marc Brooker, "Exponential Backoff And
/// Jitter" (AWS Architecture Blog, 2015); `v` is the bound of the wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Anywhere in `0..=v`. The default: it costs the fewest calls under contention.
    #[default]
    Full,
    /// Anywhere in `v/2..=v`, for where coming back at once would be no use.
    Equal,
    /// Anywhere from the base to three times the wait before, under the cap. How the backoff
    /// grows plays no part. It ends sooner than [`Full`](Self::Full) under contention, for
    /// more calls. The cap bounds the range, where the source bounds what was drawn from it: once
    /// there, two thirds of all waits would be exactly the cap.
    Decorrelated,
    /// Exactly `v`: for tests, and for where only one client exists.
    None,
}

impl Jitter {
    /// Draws a wait that a server asked for: from `hint` up to half as much again, for all whom
    /// it told the same would come back together; but not above `most`, and never below `hint`.
    ///
    /// The half is Envoy's, for its rate-limited retries. Exactly `hint` without jitter.
    pub(crate) fn above(self, hint: Duration, most: Duration, rng: &mut dyn Rng) -> Duration {
        let most = hint.saturating_add(hint / 2).min(most).max(hint);
        match self {
            Self::None => hint,
            Self::Full | Self::Equal | Self::Decorrelated => rng.random_range(hint..=most),
        }
    }
}
