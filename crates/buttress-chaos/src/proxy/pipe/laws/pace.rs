//! How fast bytes come, and in what pieces.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    MEBIBYTE, SECOND,
    run::{Run, payload},
};
use crate::proxy::Toxic;

proptest! {
    /// From any moment on, as no bandwidth is saved up while nothing is to be sent.
    #[test]
    fn no_byte_is_faster_than_the_bandwidth(
        rate in prop_oneof![1_u64..100, 1_u64..100_000_000],
        pieces in proptest::collection::vec((1_usize..3_000, 0_u64..50), 1..50),
    ) {
        let mut run = Run::under(&[Toxic::bandwidth(rate).unwrap()], 0);
        for (length, pause) in pieces {
            // A slow line writes byte by byte, of which there need not be many.
            run.feed(length.min(usize::try_from(rate).unwrap()));
            run.pass(Duration::from_millis(pause));
        }
        run.pass(1_000_000 * SECOND);
        prop_assert!(run.written() == payload(run.fed));
        // How far it has fallen behind the bandwidth, in bytes, which must never become less.
        let (mut bytes, mut behind) = (0, f64::NEG_INFINITY);
        for (at, piece) in &run.out {
            bytes += piece.len();
            let now = at.as_secs_f64() * rate as f64 - bytes as f64;
            prop_assert!(now >= behind - 1e-3, "{} bytes too early", behind - now);
            behind = behind.max(now);
        }
    }

    #[test]
    fn a_slicer_cuts_pieces_of_the_size_and_in_the_rhythm_that_it_was_told(
        seed: u64,
        average in 1_usize..500,
        variation in 0_usize..500,
        delay in 0_u64..50,
        length in 1_usize..20_000,
    ) {
        let (variation, delay) = (variation % average, Duration::from_millis(delay));
        let mut run = Run::under(&[Toxic::slicer(average, variation, delay).unwrap()], seed);
        run.feed_all(length);
        run.pass(10_000 * SECOND);
        prop_assert!(run.written() == payload(length));
        for (place, (at, piece)) in run.out.iter().enumerate() {
            prop_assert!(piece.len() <= average + variation);
            if let Some((next, _)) = run.out.get(place + 1) {
                prop_assert!(*next >= *at + delay);
            }
        }
    }
}

/// At any rate, also where a piece takes less than a timer can say.
#[test]
fn a_mebibyte_takes_its_time() {
    for rate in [10_000, 1_000_000, 1_000_000_000] {
        let mut run = Run::under(&[Toxic::bandwidth(rate).unwrap()], 0);
        run.feed_all(MEBIBYTE);
        run.pass(1_000 * SECOND);
        assert!(run.written() == payload(MEBIBYTE));
        let ratio = run.last().as_secs_f64() * rate as f64 / MEBIBYTE as f64;
        assert!((1.0..1.001).contains(&ratio), "{ratio} at {rate}");
    }
}
