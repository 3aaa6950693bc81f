use std::thread;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const BAD: Ended = Ended { failed: true, slow: true };
const GOOD: Ended = Ended { failed: false, slow: false };

proptest! {
    /// Against a list of all calls with the moments at which they ended.
    #[test]
    fn equals_a_list(
        span in 100_u64..5_000,
        history in prop::collection::vec((0_u64..300, any::<(bool, bool)>(), 0_u64..40), 0..400),
    ) {
        let start = Instant::now();
        let buckets = Buckets::new(Duration::from_millis(span), start);
        let part = |at: u64| at * 1_000_000 / (span * 100_000);
        let (mut now, mut spell) = (0, 0);
        let mut list: Vec<(u64, u64, Ended)> = Vec::new();
        for (wait, (failed, slow), spells) in history {
            now += wait;
            if spells == 0 {
                spell += 1;
            }
            let ended = Ended { failed, slow };
            list.push((now, spell, ended));
            let at = start + Duration::from_millis(now);
            let counts = buckets.note(ended, spell, at);
            let within: Vec<_> = list
                .iter()
                .filter(|(at, of, _)| *of == spell && part(*at) + 10 > part(now))
                .map(|(_, _, ended)| *ended)
                .collect();
            let count = |of: fn(&Ended) -> bool| within.iter().filter(|e| of(e)).count() as u64;
            let expected = Counts {
                calls: within.len() as u64,
                failed: count(|ended| ended.failed),
                slow: count(|ended| ended.slow),
            };
            prop_assert_eq!(counts, (failed || slow).then_some(expected));
            prop_assert_eq!(buckets.counts(spell, at), expected);
        }
    }
}

/// One that reads the clock, sleeps, and wakes when its part is no longer in the window, counts
/// nowhere.
#[test]
fn a_late_call_counts_nowhere() {
    let start = Instant::now();
    let buckets = Buckets::new(10 * SECOND, start);
    buckets.note(GOOD, 0, start + 25 * SECOND);
    assert_eq!(buckets.note(BAD, 0, start + 5 * SECOND), None);
    let expected = Counts { calls: 1, failed: 0, slow: 0 };
    assert_eq!(buckets.counts(0, start + 25 * SECOND), expected);
    // Within the window it is counted where it belongs.
    buckets.note(BAD, 0, start + 16 * SECOND);
    assert_eq!(buckets.counts(0, start + 25 * SECOND).calls, 2);
    assert_eq!(buckets.counts(0, start + 26 * SECOND).calls, 1);
}

/// One of a spell that is over counts nowhere, though it comes to the bucket of now.
#[test]
fn a_call_of_another_spell_counts_nowhere() {
    let start = Instant::now();
    let buckets = Buckets::new(10 * SECOND, start);
    buckets.note(BAD, 3, start);
    buckets.note(BAD, 2, start);
    assert_eq!(buckets.counts(3, start).calls, 1);
    assert_eq!(buckets.counts(4, start), Counts::default());
    for later in 0..40 {
        buckets.note(BAD, 3, start + later * SECOND);
        assert_eq!(buckets.counts(4, start + later * SECOND), Counts::default());
    }
}

/// One that read the clock just before a part began in which others are counted already.
#[test]
fn there_are_never_more_failures_than_calls() {
    let start = Instant::now();
    let buckets = Buckets::new(10 * SECOND, start);
    for _ in 0..50 {
        buckets.note(BAD, 0, start);
        buckets.note(GOOD, 0, start);
    }
    for _ in 0..20 {
        buckets.note(GOOD, 0, start + SECOND);
    }
    buckets.note(GOOD, 0, start + 10 * SECOND);
    let counts = buckets.note(BAD, 0, start + 10 * SECOND - Duration::from_nanos(1));
    assert_eq!(counts, Some(Counts { calls: 21, failed: 1, slow: 1 }));
}

/// One of an old spell that counts itself late, and a reader of the new one who is a part behind.
#[test]
fn spells_do_not_mix() {
    let start = Instant::now();
    let buckets = Buckets::new(10 * SECOND, start);
    buckets.note(BAD, 2, start + 20 * SECOND);
    assert_eq!(buckets.counts(3, start + 19 * SECOND), Counts::default());
}

/// After months in which nothing was called, what comes is counted.
#[test]
fn counts_after_any_pause() {
    let day = Duration::from_secs(86_400);
    for days in [1, 200, 260, 400, 1_000] {
        let start = Instant::now();
        let buckets = Buckets::new(Duration::from_millis(100), start);
        buckets.note(BAD, 0, start);
        let counts = buckets.note(BAD, 0, start + days * day);
        assert_eq!(counts, Some(Counts { calls: 1, failed: 1, slow: 1 }), "after {days} days");
    }
}

#[test]
fn no_call_is_lost_under_threads() {
    let start = Instant::now();
    let buckets = Buckets::new(10 * SECOND, start);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for millis in 0..9_000 {
                    let ended = Ended { failed: millis % 2 == 0, slow: millis % 3 == 0 };
                    buckets.note(ended, 0, start + Duration::from_millis(millis));
                }
            });
        }
    });
    let counts = buckets.counts(0, start + 8 * SECOND);
    assert_eq!(counts, Counts { calls: 36_000, failed: 18_000, slow: 12_000 });
}
