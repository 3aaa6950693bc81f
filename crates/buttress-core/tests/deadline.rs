//! The deadline, ambient and explicit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_core::{Allowance, Deadline};
use proptest::prelude::*;
use tokio::time::{Instant, advance};

fn after(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

#[tokio::test(start_paused = true)]
async fn remaining_runs_down_to_zero() {
    let deadline = after(100);
    assert_eq!(deadline.remaining(), Duration::from_millis(100));
    advance(Duration::from_millis(99)).await;
    assert!(!deadline.is_past());
    advance(Duration::from_millis(1)).await;
    assert!(deadline.is_past());
    advance(Duration::from_secs(9)).await;
    assert_eq!(deadline.remaining(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn scopes_nest_and_restore() {
    let (outer, inner) = (after(100), after(50));
    Deadline::scope(Some(outer), || {
        Deadline::scope(Some(inner), || assert_eq!(Deadline::current(), Some(inner)));
        assert_eq!(Deadline::current(), Some(outer));
        Deadline::scope(None, || assert_eq!(Deadline::current(), Some(outer), "left as it is"));
        Deadline::scope(Some(after(200)), || {
            assert_eq!(Deadline::current(), Some(outer), "a child is never later than its parent");
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Deadline::scope(Some(inner), || panic!("in the scope"));
        }));
        assert!(panicked.is_err());
        assert_eq!(Deadline::current(), Some(outer), "restored after a panic");
    });
    assert_eq!(Deadline::current(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_part_of_the_call_runs_without_its_deadline() {
    let (outer, own) = (after(1), after(50));
    Deadline::enforce(Some(outer), || {
        Deadline::unscoped(|| {
            assert_eq!((Deadline::current(), Deadline::enforced()), (None, None));
            Deadline::scope(Some(own), || assert_eq!(Deadline::current(), Some(own)));
        });
        assert_eq!((Deadline::current(), Deadline::enforced()), (Some(outer), Some(outer)));
        let panicked = catch_unwind(|| Deadline::unscoped(|| panic!("without it")));
        assert!(panicked.is_err());
        assert_eq!(Deadline::current(), Some(outer), "restored after a panic");
    });
    Deadline::unscoped(|| assert_eq!(Deadline::current(), None));
}

#[tokio::test(start_paused = true)]
async fn other_threads_have_their_own() {
    Deadline::scope(Some(after(1)), || {
        let elsewhere = std::thread::spawn(Deadline::current).join().unwrap();
        assert_eq!(elsewhere, None);
    });
}

proptest! {
    /// No duration overflows, and the longest mean never.
    #[test]
    fn any_duration_is_a_deadline(timeout: Duration) {
        let now = Instant::now();
        let deadline = Deadline::after_instant(now, timeout);
        prop_assert_eq!(deadline.is_past_at(now), timeout.is_zero());
        prop_assert!(deadline.remaining_at(now) <= timeout);
        let long = Duration::from_secs(20 * 365 * 24 * 60 * 60);
        prop_assert_eq!(deadline.is_past_at(now + long), timeout <= long);
    }

    #[test]
    fn sooner_is_the_minimum_where_none_is_never(a: Option<u32>, b: Option<u32>) {
        let now = Instant::now();
        let at = |ms: Option<u32>| {
            ms.map(|ms| Deadline::after_instant(now, Duration::from_millis(ms.into())))
        };
        let expected = at(a.into_iter().chain(b).min());
        prop_assert_eq!(Deadline::sooner(at(a), at(b)), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_scoped_future_is_polled_and_dropped_under_its_deadline() {
    struct Sees(Deadline);
    impl Drop for Sees {
        fn drop(&mut self) {
            assert_eq!(Deadline::current(), Some(self.0));
        }
    }
    let deadline = after(100);
    let work = async move {
        let _witness = Sees(deadline);
        for _ in 0..2 {
            assert_eq!(Deadline::current(), Some(deadline));
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let mut scoped = buttress_testkit::task::spawn(Deadline::scoped(Some(deadline), work));
    for _ in 0..4 {
        buttress_testkit::assert_pending!(scoped.poll());
    }
    assert_eq!(Deadline::current(), None);
    drop(scoped);
    assert_eq!(Deadline::current(), None);
}

/// What an allowance says shows whether it has read the clock: of a call that had no time to begin with
/// it never says that it was cut.
#[tokio::test(start_paused = true)]
async fn who_begins_a_call_has_read_the_clock_for_those_inside() {
    let [sooner, past, later] = [5, 10, 15].map(|millis| Some(after(millis)));
    advance(Duration::from_millis(20)).await;
    let trusts = || Allowance::current().is_used_up();
    assert!(!Deadline::scope(past, trusts));
    assert!(Deadline::begin(past, trusts));
    Deadline::begin(past, || {
        assert!(Deadline::scope(later, trusts), "it is still the same deadline");
        assert!(!Deadline::scope(sooner, trusts), "it has not been seen of this one");
        assert!(!Deadline::enforce(past, trusts), "nor in a poll, which may come later");
        assert!(!Deadline::unscoped(|| Deadline::scope(past, trusts)));
        assert!(trusts(), "restored");
    });
    Deadline::scope(sooner, || assert!(!Deadline::begin(past, trusts), "not of that outside"));
    assert!(!Deadline::scope(past, trusts));
}

/// What somebody outside ends is not hidden by a sooner deadline that nobody does.
#[tokio::test(start_paused = true)]
async fn enforced_is_what_somebody_outside_ends() {
    let [soon, late] = [1, 9].map(|n| Some(Deadline::after(Duration::from_secs(n))));
    assert_eq!(Deadline::enforced(), None);
    Deadline::scope(soon, || {
        assert_eq!((Deadline::current(), Deadline::enforced()), (soon, None));
        Deadline::enforce(late, || {
            assert_eq!((Deadline::current(), Deadline::enforced()), (soon, late));
        });
        Deadline::enforce(soon, || assert_eq!(Deadline::enforced(), soon, "the same, by another"));
        Deadline::enforce(None, || assert_eq!(Deadline::enforced(), None));
        assert_eq!(Deadline::enforced(), None);
    });
    Deadline::enforce(late, || {
        assert_eq!((Deadline::current(), Deadline::enforced()), (late, late));
        Deadline::scope(late, || assert_eq!(Deadline::enforced(), late));
        Deadline::scope(soon, || {
            assert_eq!((Deadline::current(), Deadline::enforced()), (soon, late));
            Deadline::enforce(soon, || assert_eq!(Deadline::enforced(), soon, "the soonest"));
        });
        assert_eq!(Deadline::enforced(), late);
    });
    assert_eq!(Deadline::enforced(), None);
}
