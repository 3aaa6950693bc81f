use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Success,
    Retry,
    GiveBack,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Success),
        6 => Just(Step::Retry),
        1 => Just(Step::GiveBack),
        2 => (0..3_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Wait(3_600_000)),
    ];
    proptest::collection::vec(step, 1..400)
}

/// What the bucket should do, in exact thousandths of a unit, told of time as it passes.
struct Oracle {
    thousandths: u64,
    deposit: u64,
    per_second: u64,
    most: u64,
}

impl Oracle {
    fn add(&mut self, thousandths: u64) {
        self.thousandths = (self.thousandths + thousandths).min(self.most);
    }
}

proptest! {
    /// `retries <= ratio * successes + floor * time + burst` in every window, and as many as that
    /// allows: never more than an oracle that knows no rounding, and less by what rounding loses.
    #[test]
    fn in_every_window_no_more_than_was_earned(
        ratio in prop_oneof![Just(0.0), Just(0.2), Just(0.6), Just(1.0), 0.0..=1.0],
        per_second in prop_oneof![Just(0.0), Just(1.0), Just(10.0), 0.0..=1000.0],
        burst in 1..=20_u32,
        steps in steps(),
    ) {
        let bucket = Bucket::new(ratio, per_second, burst, burst);
        let most = u64::from(burst) * TOKEN * 1000;
        let mut oracle = Oracle {
            thousandths: most,
            deposit: bucket.deposit * 1000,
            per_second: bucket.per_second,
            most,
        };
        let mut now = 0;
        let mut withdrawn = 0_u64;
        // What was earned, and what was taken, after each step.
        let mut history = vec![(0.0, 0.0)];
        let (mut earned, mut taken) = (0.0, 0.0);
        for step in steps {
            match step {
                Step::Success => {
                    bucket.deposit();
                    oracle.add(oracle.deposit);
                    earned += ratio;
                }
                Step::Retry => {
                    let granted = bucket.withdraw(now);
                    // Each withdrawal may have lost one unit to rounding.
                    let least = TOKEN * 1000;
                    if granted {
                        prop_assert!(oracle.thousandths >= least, "granted what is not there");
                        oracle.thousandths -= least;
                        withdrawn += 1;
                        taken += 1.0;
                    } else {
                        let lost = (withdrawn + 1) * 1000;
                        prop_assert!(oracle.thousandths < least + lost, "refused what is there");
                    }
                }
                Step::GiveBack if withdrawn > 0 => {
                    bucket.give_back();
                    oracle.add(TOKEN * 1000);
                    taken -= 1.0;
                }
                Step::GiveBack => {}
                Step::Wait(millis) => {
                    now += millis;
                    oracle.add(oracle.per_second * millis);
                    earned += per_second * (millis as f64) / 1000.0;
                }
            }
            prop_assert!(bucket.tokens(now) <= f64::from(burst));
            history.push((earned, taken));
        }
        for (from, (earned_before, taken_before)) in history.iter().enumerate() {
            for (earned, taken) in &history[from..] {
                let allowed = earned - earned_before + f64::from(burst);
                prop_assert!(taken - taken_before <= allowed + 1e-6);
            }
        }
    }

    #[test]
    fn the_parts_of_the_word_are_apart(units in 0..=TOKENS_MASK, millis in 0..=MILLIS_MASK) {
        let level = Level { units, millis };
        prop_assert_eq!(Level::from_bits(level.bits()), level);
    }
}

/// Counted in whole tokens 0.6 would be 1.
#[test]
fn fractions_are_what_they_say() {
    for ratio in [0.01, 0.1, 0.2, 0.6, 0.99, 1.0] {
        let bucket = Bucket::new(ratio, 0.0, MOST_TOKENS, 0);
        let (successes, mut retries) = (100_000_u32, 0_u32);
        for _ in 0..successes {
            bucket.deposit();
            retries += u32::from(bucket.withdraw(0));
        }
        let seen = f64::from(retries) / f64::from(successes);
        assert!(seen <= ratio && seen >= ratio * 0.99, "{ratio} came out as {seen}");
    }
}

/// Asked all the time, it gives the floor as if it were asked seldom.
#[test]
fn the_floor_is_not_worn_down_by_asking() {
    for per_second in [0.1, 1.0, 7.0] {
        let bucket = Bucket::new(0.2, per_second, 10, 0);
        let hour = 3_600_000;
        let granted = (0..=hour).filter(|millis| bucket.withdraw(*millis)).count();
        let exact = per_second * 3600.0;
        assert!(granted as f64 <= exact && granted as f64 >= exact * 0.99, "{granted} of {exact}");
    }
}

#[test]
fn no_time_comes_twice() {
    let bucket = Bucket::new(0.0, 1000.0, 5, 5);
    for _ in 0..5 {
        assert!(bucket.withdraw(10_000));
    }
    assert!(!bucket.withdraw(9_000), "a clock that was read earlier adds nothing");
    assert!(!bucket.withdraw(10_000));
    assert!(bucket.withdraw(10_001));
    assert!(!bucket.withdraw(10_001), "and nor does it turn the time back");
}

/// One who read the clock long ago, when his call began for one, does not turn it back.
#[test]
fn an_old_time_is_not_a_new_one() {
    let bucket = Bucket::new(0.0, 1.0, 10, 10);
    let hour = 3_600_000;
    let withdrawn = (0..2_000)
        .filter(|n| bucket.withdraw(if n % 2 == 0 { 24 * hour } else { 24 * hour - n * 40_000 }))
        .count();
    assert_eq!(withdrawn, 10);
}

/// The count of milliseconds begins anew after two years.
#[test]
fn the_count_of_milliseconds_may_wrap() {
    let bucket = Bucket::new(0.0, 1.0, 5, 5);
    let last = MILLIS_MASK - 500;
    assert!(bucket.withdraw(last / 2));
    for _ in 0..5 {
        assert!(bucket.withdraw(last));
    }
    assert!(!bucket.withdraw(last + 999));
    assert!(bucket.withdraw(last + 1_000));
    assert!(!bucket.withdraw(u64::MAX - 1), "the end of time does not overflow");
}

#[test]
fn a_full_bucket_is_only_read() {
    let bucket = Bucket::new(0.2, 1.0, 5, 5);
    let before = bucket.word.load(Ordering::Relaxed);
    bucket.deposit();
    assert_eq!(bucket.word.load(Ordering::Relaxed), before);
}
