//! A timeline against a naive oracle.

use std::{collections::BTreeSet, time::Duration};

use buttress_chaos::{Step, Timeline};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// When, for how long, and on whom; its place among those given is the fault.
type Given = Vec<(u64, Option<u64>, Option<&'static str>)>;

const NAMES: [&str; 2] = ["pricing", "stock"];

// Few times, so that many of them fall together.
fn given() -> impl Strategy<Value = Given> {
    vec((0..12_u64, option::of(1..6_u64), option::of(select(NAMES.as_slice()))), 0..8)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn timeline(given: &Given) -> Timeline<usize> {
    let step = |(n, &(at, lasts, target)): (usize, &(u64, Option<u64>, Option<&str>))| {
        let mut step = Step::new(millis(at), n);
        if let Some(lasts) = lasts {
            step = step.lasting(millis(lasts)).unwrap();
        }
        match target {
            Some(target) => step.on(target).unwrap(),
            None => step,
        }
    };
    given.iter().enumerate().map(step).collect()
}

/// Which are in force at a time, by looking at each.
fn naive(given: &Given, at: u64) -> BTreeSet<usize> {
    let active = |(n, (begins, lasts, _)): (usize, &(u64, Option<u64>, Option<&str>))| {
        (*begins <= at && lasts.is_none_or(|lasts| at < begins + lasts)).then_some(n)
    };
    given.iter().enumerate().filter_map(active).collect()
}

fn active(timeline: &Timeline<usize>, at: Duration) -> BTreeSet<usize> {
    timeline.active(at).map(|step| *step.fault()).collect()
}

proptest! {
    #[test]
    fn at_every_moment_those_are_in_force_that_have_begun_and_not_ended(given in given()) {
        let timeline = timeline(&given);
        for at in 0..20 {
            let expected = naive(&given, at);
            prop_assert_eq!(&active(&timeline, millis(at)), &expected);
            for name in NAMES {
                let found: BTreeSet<_> =
                    timeline.active_for(name, millis(at)).map(|step| *step.fault()).collect();
                let is_for = |n: &usize| given[*n].2.is_none_or(|target| target == name);
                let expected: BTreeSet<_> = expected.iter().copied().filter(is_for).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    /// However it is made, it is the same: one by one, or of all at once.
    #[test]
    fn steps_are_in_the_order_in_which_they_begin_and_were_given(given in given()) {
        let all = timeline(&given);
        let one_by_one = given.iter().enumerate().fold(Timeline::new(), |made, (n, _)| {
            made.step(all.steps().iter().find(|step| *step.fault() == n).unwrap().clone())
        });
        prop_assert_eq!(&one_by_one, &all);
        let order: Vec<_> = all.steps().iter().map(|step| (step.at(), *step.fault())).collect();
        prop_assert!(order.is_sorted());
    }

    /// A player who goes by the changes has in force what the timeline says, at every moment.
    #[test]
    fn whoever_plays_the_changes_has_in_force_what_is(given in given()) {
        let timeline = timeline(&given);
        let changes = timeline.changes();
        prop_assert!(changes.is_sorted_by_key(|change| (change.at, change.begins)));
        let mut in_force = BTreeSet::new();
        let mut left = changes.as_slice();
        for at in (0..20).map(millis) {
            while let [change, rest @ ..] = left && change.at <= at {
                let n = *change.step.fault();
                let changed = if change.begins { in_force.insert(n) } else { in_force.remove(&n) };
                prop_assert!(changed, "each begins once, and ends once after that");
                left = rest;
            }
            prop_assert_eq!(&active(&timeline, at), &in_force);
        }
        prop_assert!(left.is_empty());
    }

    /// Whoever sleeps from change to change misses none.
    #[test]
    fn the_next_change_is_the_first_that_lies_ahead(given in given()) {
        let timeline = timeline(&given);
        let changes = timeline.changes();
        for at in (0..20).map(millis) {
            let expected = changes.iter().map(|change| change.at).find(|change| *change > at);
            prop_assert_eq!(timeline.next_change_after(at), expected);
        }
        prop_assert_eq!(timeline.end(), changes.last().map(|last| last.at).unwrap_or_default());
        prop_assert_eq!(timeline.next_change_after(timeline.end()), None);
    }

    #[test]
    fn scaled_it_is_the_same_at_the_scaled_time(given in given(), factor in 0.001..1000.0_f64) {
        let timeline = timeline(&given);
        let scaled = timeline.clone().scaled(factor).unwrap();
        // In the middle between two moments at which anything may change.
        for at in (0..20).map(|n| Duration::from_micros(1000 * n + 500)) {
            prop_assert_eq!(active(&scaled, at.mul_f64(factor)), active(&timeline, at));
        }
        // What follows on one another still does.
        let order = |timeline: &Timeline<usize>| -> Vec<_> {
            timeline.changes().iter().map(|change| (change.begins, *change.step.fault())).collect()
        };
        prop_assert_eq!(order(&scaled), order(&timeline));
    }

    #[test]
    fn no_factor_panics_or_ends_a_step_before_it_began(given in given(), factor: f64) {
        let timeline = timeline(&given);
        match timeline.clone().scaled(factor) {
            Ok(scaled) => {
                for step in scaled.steps() {
                    prop_assert!(step.lasts().is_none_or(|lasts| !lasts.is_zero()));
                }
            }
            Err(error) => prop_assert_eq!(error.setting(), "factor"),
        }
        let is_factor = factor.is_finite() && factor > 0.0;
        if !is_factor && !timeline.is_empty() {
            timeline.scaled(factor).unwrap_err();
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let step = Step::new(Duration::ZERO, ());
    let error = step.clone().lasting(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "`for` is 0s, but must be longer than zero");
    let error = step.clone().on("").unwrap_err();
    assert_eq!(error.to_string(), "`target` is empty, but must be a name");

    let timeline = Timeline::new().step(step.clone()).step(step.on("prcing").unwrap());
    assert_eq!(timeline.targets(), ["prcing"]);
    timeline.check_targets(&["pricing", "prcing"]).unwrap();
    let error = timeline.check_targets(&["pricing", "stock"]).unwrap_err();
    assert_eq!(error.to_string(), "`target` is `prcing`, but must be one of `pricing`, `stock`");
}

#[test]
fn the_longest_times_do_not_overflow() {
    let step = Step::new(Duration::MAX, ()).lasting(Duration::MAX).unwrap();
    let timeline = Timeline::new().step(step);
    assert_eq!(timeline.active(Duration::MAX).count(), 1);
    assert_eq!(timeline.end(), Duration::MAX);
    timeline.scaled(2.0).unwrap_err();
}
