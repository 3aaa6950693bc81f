//! What a run looked like, second by second.

use std::time::Duration;

/// How long nearly all calls must be answered for the server to have recovered.
const WELL_FOR: usize = 10;

/// Nearly all: the part of the calls of each of these seconds.
const NEARLY_ALL: f64 = 0.99;

/// The end of a run, in seconds: long enough for averages.
const END: usize = 60;

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Calls that were made in it.
    pub(crate) calls: u32,
    /// Those of them that got their answer, then or later, while it was waited for.
    pub(crate) answered: u32,
    /// Requests that were sent in it, for these calls or earlier ones.
    pub(crate) sent: u32,
}

/// A run in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timeline {
    pub(crate) seconds: Vec<Second>,
}

impl Timeline {
    /// As many seconds as calls were made in.
    pub(crate) fn new(run: Duration) -> Self {
        Self { seconds: vec![Second::default(); seconds(run)] }
    }

    /// A call that was made at this moment has ended, with its answer or without.
    pub(crate) fn ended(&mut self, made: Duration, answered: bool) {
        let second = &mut self.seconds[seconds(made)];
        second.calls += 1;
        second.answered += u32::from(answered);
    }

    /// So many requests were sent in each second.
    pub(crate) fn sent(&mut self, sent: &[u32]) {
        for (second, &sent) in self.seconds.iter_mut().zip(sent) {
            second.sent = sent;
        }
    }

    /// The seconds from `end` of the outage to the first from which nearly all calls are answered
    /// for ten seconds in a row; none if the run ended before.
    pub(crate) fn recovered_after(&self, end: Duration) -> Option<usize> {
        let after = self.seconds.get(seconds(end)..)?;
        after.windows(WELL_FOR).position(|ten| ten.iter().all(Second::is_well))
    }

    /// Requests sent a second, at the end of the run.
    pub(crate) fn sent_at_the_end(&self) -> f64 {
        self.at_the_end(|second| second.sent)
    }

    /// Calls answered a second, at the end of the run.
    pub(crate) fn answered_at_the_end(&self) -> f64 {
        self.at_the_end(|second| second.answered)
    }

    /// The part of all calls that were answered.
    pub(crate) fn answered(&self) -> f64 {
        let sum = |count: fn(&Second) -> u32| self.seconds.iter().map(count).sum::<u32>();
        f64::from(sum(|second| second.answered)) / f64::from(sum(|second| second.calls).max(1))
    }

    fn at_the_end(&self, count: fn(&Second) -> u32) -> f64 {
        let end = &self.seconds[self.seconds.len().saturating_sub(END)..];
        f64::from(end.iter().map(count).sum::<u32>()) / end.len().max(1) as f64
    }
}

impl Second {
    /// A second without calls is well: nobody was let down.
    fn is_well(&self) -> bool {
        f64::from(self.answered) >= NEARLY_ALL * f64::from(self.calls)
    }
}

/// Whole seconds.
fn seconds(moment: Duration) -> usize {
    usize::try_from(moment.as_secs()).expect("a run is short")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred calls a second, of which so many are answered.
    fn answered(answered: impl IntoIterator<Item = u32>) -> Timeline {
        let second = |answered| Second { calls: 100, answered, sent: 0 };
        Timeline { seconds: answered.into_iter().map(second).collect() }
    }

    fn recovered_after(seconds: impl IntoIterator<Item = u32>) -> Option<usize> {
        answered(seconds).recovered_after(Duration::from_secs(2))
    }

    #[test]
    fn recovered_is_where_ten_good_seconds_begin() {
        let good = [100; 10];
        assert_eq!(recovered_after([0, 0].into_iter().chain(good)), Some(0));
        assert_eq!(recovered_after([0, 0, 0, 98].into_iter().chain(good)), Some(2), "98 is bad");
        assert_eq!(recovered_after([0, 0, 0, 99].into_iter().chain(good)), Some(1), "99 is not");
        let nine = [100; 9];
        assert_eq!(recovered_after([0, 0].into_iter().chain(nine)), None);
        let again = [0, 0].into_iter().chain(nine).chain([98]).chain(good);
        assert_eq!(recovered_after(again), Some(10), "nine were not enough");
    }

    #[test]
    fn good_seconds_before_the_end_of_the_outage_do_not_count() {
        assert_eq!(recovered_after([100; 11]), None);
        assert_eq!(recovered_after([100; 12]), Some(0));
        assert_eq!(recovered_after([100; 1]), None, "it ended before the outage did");
    }

    #[test]
    fn calls_belong_to_the_second_in_which_they_were_made() {
        let mut timeline = Timeline::new(Duration::from_secs(2));
        timeline.ended(Duration::from_millis(999), true);
        timeline.ended(Duration::from_secs(1), false);
        timeline.ended(Duration::from_millis(1999), true);
        timeline.sent(&[1, 3, 7]);
        let [first, second] = timeline.seconds[..] else { panic!("{timeline:?}") };
        assert_eq!(first, Second { calls: 1, answered: 1, sent: 1 });
        assert_eq!(second, Second { calls: 2, answered: 1, sent: 3 });
        assert!((timeline.answered() - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_end_is_the_last_minute() {
        let timeline = answered([0; 30].into_iter().chain([50; 30]).chain([100; 30]));
        assert!((timeline.answered_at_the_end() - 75.0).abs() < 1e-9);
        assert!((answered([40, 50]).answered_at_the_end() - 45.0).abs() < 1e-9, "a short run");
    }
}
