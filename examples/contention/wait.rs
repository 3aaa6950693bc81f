//! How a client waits after a write that failed.

use std::time::Duration;

use buttress::prelude::{Backoff, Jitter};
use rand::Rng;

/// The source writes its bound as min(cap, base * 2^n) with n from 1 on.
const BASE: Duration = Duration::from_millis(5);
const CAP: Duration = Duration::from_secs(2);

/// A row of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    None,
    /// Longer each time, and all clients equally long.
    Exponential,
    Full,
    Equal,
    Decorrelated,
}

impl Wait {
    pub(crate) const ALL: [Self; 5] =
        [Self::None, Self::Exponential, Self::Full, Self::Equal, Self::Decorrelated];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Exponential => "exponential",
            Self::Full => "full",
            Self::Equal => "equal",
            Self::Decorrelated => "decorrelated",
        }
    }

    /// What the retry layer calls it; it has no word for not waiting.
    pub(crate) const fn jitter(self) -> Option<Jitter> {
        match self {
            Self::None => None,
            Self::Exponential => Some(Jitter::None),
            Self::Full => Some(Jitter::Full),
            Self::Equal => Some(Jitter::Equal),
            Self::Decorrelated => Some(Jitter::Decorrelated),
        }
    }
}

/// The waits of one client.
#[derive(Debug)]
pub(crate) struct Waits {
    jitter: Option<Jitter>,
    backoff: Backoff,
    failures: u32,
    previous: Option<Duration>,
}

impl Waits {
    pub(crate) fn new(wait: Wait) -> Self {
        let backoff = Backoff::exponential(BASE, CAP);
        Self { jitter: wait.jitter(), backoff, failures: 0, previous: None }
    }

    /// How long to wait after one more failure, as the retry layer draws it. There the count
    /// begins at 0, and what it draws is never cut: where the source draws above the cap and then
    /// takes the cap, many clients wait equally long, and with 100 of them the last is done later.
    pub(crate) fn next(&mut self, rng: &mut dyn Rng) -> Duration {
        let Some(jitter) = self.jitter else { return Duration::ZERO };
        self.failures += 1;
        let wait = self.backoff.next(self.failures, self.previous, jitter, rng);
        self.previous = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn waits<const N: usize>(wait: Wait) -> [u128; N] {
        let mut rng = StdRng::seed_from_u64(1);
        let mut waits = Waits::new(wait);
        std::array::from_fn(|_| waits.next(&mut rng).as_millis())
    }

    #[test]
    fn the_first_bound_is_twice_the_base_and_the_last_the_cap() {
        let exponential = waits(Wait::Exponential);
        assert_eq!(exponential, [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000]);
        assert_eq!(waits(Wait::None), [0; 10]);
    }

    #[test]
    fn decorrelated_goes_on_from_what_it_drew() {
        let [first, rest @ ..]: [u128; 50] = waits(Wait::Decorrelated);
        assert!((5..15).contains(&first), "{first}");
        // Three times the base is never passed unless what was drawn widens the range.
        assert!(rest.iter().any(|wait| *wait > 15), "{rest:?}");
    }
}
