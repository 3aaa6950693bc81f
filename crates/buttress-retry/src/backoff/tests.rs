use buttress_testkit::seeded;
use proptest::prelude::*;

use super::*;

const JITTERS: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];

fn backoffs() -> impl Strategy<Value = Backoff> {
    let duration = prop_oneof![
        (1..=1_000_000_u64).prop_map(Duration::from_nanos),
        (1..=100_000_u64).prop_map(Duration::from_millis),
        Just(Duration::from_nanos(1)),
        Just(Duration::MAX),
        any::<Duration>().prop_map(|any| any.max(Duration::from_nanos(1))),
    ];
    let factor = prop_oneof![Just(1.0), Just(2.0), 1.0..10.0, Just(1e300), Just(f64::MAX)];
    (duration.clone(), duration, factor, 0..4_u8).prop_map(|(a, b, factor, growth)| {
        let (base, cap) = (a.min(b), a.max(b));
        match growth {
            0 => Backoff::linear(base, cap),
            1 => Backoff::function(move |n| base.saturating_mul(n).max(base), cap),
            _ => Backoff::exponential(base, cap).factor(factor),
        }
    })
}

fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![0..12_u32, Just(u32::MAX - 1), Just(u32::MAX), any::<u32>()]
}

proptest! {
    /// Full in [0, v], equal in [v/2, v], decorrelated in [base, min(cap, 3 * previous)],
    /// none exactly v; and nothing above the cap.
    #[test]
    fn each_jitter_keeps_its_range(
        backoff in backoffs(),
        n in counts(),
        seed: u64,
        previous in any::<Option<Duration>>(),
    ) {
        use rand::{SeedableRng, rngs::StdRng};
        prop_assert!(backoff.check(Jitter::Full).is_ok());
        // What was drawn before lies between base and cap.
        let previous = previous.map(|p| p.clamp(backoff.base, backoff.cap));
        let mut rng = StdRng::seed_from_u64(seed);
        let v = backoff.bound(n);
        let tripled = previous.unwrap_or(backoff.base).saturating_mul(3);
        for jitter in JITTERS {
            let (least, most) = match jitter {
                Jitter::Full => (Duration::ZERO, v),
                Jitter::Equal => (v / 2, v),
                Jitter::Decorrelated => (backoff.base, tripled.min(backoff.cap)),
                Jitter::None => (v, v),
            };
            for _ in 0..8 {
                let wait = backoff.next(n, previous, jitter, &mut rng);
                prop_assert!((least..=most).contains(&wait), "{jitter:?} drew {wait:?}");
                prop_assert!(wait <= backoff.cap);
            }
        }
    }

    /// Against exact arithmetic: v = min(cap, base * 2^n).
    #[test]
    fn the_bound_is_the_formula(base in 1..100_000_u32, cap in 1..u32::MAX, n in 0..40_u32) {
        let cap = cap.max(base);
        let [low, high] = [base, cap].map(|millis| Duration::from_millis(millis.into()));
        let exact = (u64::from(base) << n).min(cap.into());
        let bound = Backoff::exponential(low, high).bound(n);
        prop_assert_eq!(bound, Duration::from_millis(exact));
    }

    /// The same for linear waits: v = min(cap, base * (n + 1)).
    #[test]
    fn the_linear_bound_is_the_formula(base in 1..100_000_u64, cap in 1..u32::MAX, n: u32) {
        let cap = u64::from(cap).max(base);
        let [low, high] = [base, cap].map(Duration::from_millis);
        let exact = (base * (u64::from(n) + 1)).min(cap);
        prop_assert_eq!(Backoff::linear(low, high).bound(n), Duration::from_millis(exact));
    }

    /// A server that is asked to be left alone is: upward, by half at most, and never above the
    /// most.
    #[test]
    fn a_hint_is_spread_upward_only(hint: Duration, most: Duration, seed: u64) {
        use rand::{SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        for jitter in JITTERS {
            let wait = jitter.above(hint, most, &mut rng);
            prop_assert!(wait >= hint && wait <= most.max(hint), "{jitter:?} drew {wait:?}");
            prop_assert!(wait <= hint.saturating_add(hint / 2));
        }
        prop_assert_eq!(Jitter::None.above(hint, most, &mut rng), hint);
    }

    /// It never shrinks, begins at the base and never passes the cap.
    #[test]
    fn the_bound_only_grows(backoff in backoffs(), n in counts()) {
        let (now, next) = (backoff.bound(n), backoff.bound(n.saturating_add(1)));
        prop_assert!(backoff.base <= now && now <= next && next <= backoff.cap);
    }
}

#[test]
fn the_extremes_do_not_overflow() {
    let second = Duration::from_secs(1);
    let bound = |cap, factor, n| Backoff::exponential(second, cap).factor(factor).bound(n);
    assert_eq!(bound(Duration::MAX, 2.0, u32::MAX), Duration::MAX, "infinity is no cap");
    assert_eq!(bound(Duration::MAX, 1e300, 1), Duration::MAX);
    assert_eq!(bound(Duration::MAX, 1.0, u32::MAX), second);
    assert_eq!(bound(second, 1e300, u32::MAX), second);
    let mut rng = seeded("the_extremes_do_not_overflow");
    for jitter in JITTERS {
        let endless = Backoff::exponential(Duration::MAX, Duration::MAX);
        endless.next(u32::MAX, Some(Duration::MAX), jitter, &mut rng);
    }
}

/// Fed back into itself, as in a call: the range widens only by what was drawn.
#[test]
fn decorrelated_follows_what_it_drew() {
    let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
    let mut rng = seeded("decorrelated_follows_what_it_drew");
    let mut previous = None;
    for n in 0..1_000 {
        let wait = backoff.next(n, previous, Jitter::Decorrelated, &mut rng);
        assert!(wait >= backoff.base && wait <= backoff.cap, "{wait:?}");
        assert!(wait <= previous.unwrap_or(backoff.base) * 3, "{wait:?} after {previous:?}");
        previous = Some(wait);
    }
}

/// Every part of the range is as likely as any other, so the mean is half the bound.
#[test]
fn full_jitter_is_uniform() {
    let backoff = Backoff::default();
    let mut rng = seeded("full_jitter_is_uniform");
    let (draws, v) = (20_000, backoff.bound(3));
    let mut tenths = [0_u32; 10];
    let mut sum = Duration::ZERO;
    for _ in 0..draws {
        let wait = backoff.next(3, None, Jitter::Full, &mut rng);
        sum += wait;
        // The bound itself belongs to the last tenth.
        let tenth = wait.as_nanos() * 10 / (v.as_nanos() + 1);
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    let mean = (sum / draws).as_secs_f64() / v.as_secs_f64();
    assert!((0.49..=0.51).contains(&mean), "mean at {mean} of the bound");
    assert!(tenths.iter().all(|count| (1_800..=2_200).contains(count)), "{tenths:?}");
}

#[test]
fn constant_waits_do_not_grow() {
    let wait = Duration::from_millis(70);
    let backoff = Backoff::constant(wait);
    assert_eq!([0, 1, 9, u32::MAX].map(|n| backoff.bound(n)), [wait; 4]);
    assert!(backoff.check(Jitter::Full).is_ok());
    assert!(Backoff::constant(Duration::ZERO).check(Jitter::Full).is_err());
    // One that changes nothing is still no factor.
    assert_eq!(backoff.factor(0.5).check(Jitter::Full).unwrap_err().setting(), "factor");
}

#[test]
fn a_function_is_held_to_the_cap() {
    let cap = Duration::from_secs(1);
    let backoff = Backoff::function(|n| Duration::from_millis(400) * n, cap);
    let bounds = [0, 1, 2, 3].map(|n| backoff.bound(n).as_millis());
    assert_eq!(bounds, [0, 400, 800, 1000]);
    assert!(backoff.check(Jitter::Full).is_ok(), "a first wait of zero is the function's choice");
    // From a base of zero it would never wait, whatever the function says later.
    assert_eq!(backoff.check(Jitter::Decorrelated).unwrap_err().setting(), "base");
    let none = Backoff::function(move |_| cap, Duration::ZERO);
    assert_eq!(none.check(Jitter::Full).unwrap_err().setting(), "cap");
}

/// All who are told to come back in ten seconds do not come at once.
#[test]
fn a_hint_is_spread_over_half_of_it() {
    let mut rng = seeded("a_hint_is_spread_over_half_of_it");
    let hint = Duration::from_secs(10);
    let waits: Vec<_> =
        (0..1_000).map(|_| Jitter::Full.above(hint, Duration::MAX, &mut rng).as_secs()).collect();
    for second in 10..15 {
        let there = waits.iter().filter(|wait| **wait == second).count();
        assert!((130..=270).contains(&there), "{there} of 1000 in second {second}");
    }
}
