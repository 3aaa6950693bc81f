//! Whom a toxic strikes.

use std::time::Duration;

use buttress_testkit::seeded;
use proptest::prelude::*;
use rand::RngExt;

use super::{MILLISECOND, SECOND, lossless, run::Run};
use crate::proxy::Toxic;

proptest! {
    /// A share that grows strikes those that it struck, and more.
    #[test]
    fn one_draw_decides(seed: u64, share in 0.0..=1.0_f64, more in 0.0..=1.0_f64) {
        let late = |share| {
            let toxic = Toxic::latency(SECOND, Duration::ZERO).unwrap().toxicity(share).unwrap();
            let mut run = Run::under(&[toxic], seed);
            run.feed(1);
            run.pass(2 * SECOND);
            run.last() == SECOND
        };
        prop_assert!(!late(0.0) && late(1.0));
        prop_assert!(!late(share) || late(share.max(more)));
    }

    /// What strikes a connection does not depend on what else there is.
    #[test]
    fn the_same_seed_gives_the_same_trace(seed: u64, toxics in proptest::collection::vec(lossless(), 1..4)) {
        let trace = || {
            let mut run = Run::under(&toxics, seed);
            for _ in 0..10 {
                run.feed(700);
                run.pass(30 * MILLISECOND);
            }
            run.pass(1_000 * SECOND);
            run.out
        };
        prop_assert_eq!(trace(), trace());
    }
}

#[test]
fn toxicity_strikes_its_share() {
    let mut rng = seeded("toxicity_strikes_its_share");
    let toxic = Toxic::latency(SECOND, Duration::ZERO).unwrap().toxicity(0.3).unwrap();
    let struck = (0..10_000).filter(|_| {
        let mut run = Run::under(&[toxic], rng.random());
        run.feed(1);
        run.pass(2 * SECOND);
        run.last() == SECOND
    });
    // Six standard deviations to either side.
    let struck = struck.count();
    assert!((2_725..=3_275).contains(&struck), "{struck}");
}
