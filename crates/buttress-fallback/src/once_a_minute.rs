//! What is said once, and again only after a while.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// When something was said last that may happen at each call.
#[derive(Debug, Default)]
pub(crate) struct OnceAMinute(Mutex<Option<Instant>>);

impl OnceAMinute {
    /// Whether it was said already in the last minute. If not, it is now.
    pub(crate) fn again(&self, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| now.saturating_duration_since(said) < MINUTE) {
            return true;
        }
        *said = Some(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_not_again_for_a_minute() {
        let (said, now) = (OnceAMinute::default(), Instant::now());
        let after = |seconds| said.again(now + Duration::from_secs(seconds));
        let heard = [0, 1, 59, 60, 61, 119, 120, 500].map(after);
        assert_eq!(heard, [false, true, true, false, true, true, false, false]);
        // Threads may be told the time in another order than they come.
        assert!(after(499));
    }
}
