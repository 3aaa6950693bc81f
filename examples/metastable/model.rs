//! The figures of the experiment.

use std::{ops::Range, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A server with a little room to spare, and a short outage of the network before it.
///
/// After N. Bronson et al., "Metastable Failures in Distributed Systems" (HotOS 2021), section 2.
/// Moments count from the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    /// Calls that are made a second, on average.
    pub(crate) per_second: f64,
    /// How long calls are made.
    pub(crate) run: Duration,
    /// What is sent in this time is delivered at its end.
    pub(crate) outage: Range<Duration>,
    /// What one request takes of the server's time.
    pub(crate) work: Duration,
    /// How long one attempt is waited for.
    pub(crate) patience: Duration,
}

impl Model {
    /// The experiment as it was published.
    pub(crate) fn published() -> Self {
        Self {
            per_second: 280.0,
            run: Duration::from_secs(600),
            outage: Duration::from_secs(60)..Duration::from_secs(70),
            work: Duration::from_secs(1) / 300,
            patience: Duration::from_secs(1),
        }
    }

    /// When calls are made: a Poisson process, for callers do not know of each other.
    pub(crate) fn arrivals(&self, seed: u64) -> Vec<Duration> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut at = Duration::ZERO;
        let mut next = || {
            // Never the logarithm of zero: `random` is below one.
            let gap = -(1.0 - rng.random::<f64>()).ln() / self.per_second;
            at += Duration::from_secs_f64(gap);
            (at < self.run).then_some(at)
        };
        std::iter::from_fn(&mut next).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_follow_the_seed() {
        let model = Model::published();
        assert_eq!(model.arrivals(1), model.arrivals(1));
        assert_ne!(model.arrivals(1), model.arrivals(2));
    }

    /// A Poisson count has its mean for a variance, in the whole and in each second.
    #[test]
    fn arrivals_are_as_many_and_as_uneven_as_they_should_be() {
        let model = Model::published();
        for seed in 0..5 {
            let arrivals = model.arrivals(seed);
            assert!(arrivals.is_sorted());
            // Five standard deviations of 168,000.
            assert!(arrivals.len().abs_diff(168_000) < 2_050, "{}", arrivals.len());
            let mut seconds = [0.0; 600];
            for at in arrivals {
                seconds[usize::try_from(at.as_secs()).unwrap()] += 1.0_f64;
            }
            let variance = seconds.iter().map(|n| (n - 280.0).powi(2)).sum::<f64>() / 600.0;
            assert!((200.0..360.0).contains(&variance), "{variance}");
        }
    }
}
