//! How late bytes are.

use std::time::Duration;

use buttress_testkit::seeded;
use proptest::prelude::*;
use rand::RngExt;

use super::{super::SHORT, MILLISECOND, SECOND, run::Run};
use crate::proxy::Toxic;

proptest! {
    #[test]
    fn no_byte_is_earlier_than_its_latency_and_none_later_than_the_jitter_lets_it(
        seed: u64,
        delay in 0_u32..500,
        jitter in 0_u32..500,
        pieces in proptest::collection::vec((1_usize..200, 0_u64..100), 1..50),
    ) {
        let (delay, jitter) = (delay * MILLISECOND, jitter * MILLISECOND);
        let mut run = Run::under(&[Toxic::latency(delay, jitter).unwrap()], seed);
        let mut read = Vec::new();
        for (length, pause) in pieces {
            let at = run.now - run.start;
            read.extend(std::iter::repeat_n(at, run.feed(length)));
            run.pass(Duration::from_millis(pause));
        }
        run.pass(10 * SECOND);
        prop_assert_eq!(run.written_length(), read.len());
        for (read, written) in read.iter().zip(run.times()) {
            prop_assert!(written >= *read + delay.saturating_sub(jitter));
            prop_assert!(written <= *read + delay + jitter);
        }
    }
}

#[test]
fn the_median_of_a_latency_is_its_delay() {
    let (delay, jitter) = (100 * MILLISECOND, 50 * MILLISECOND);
    let mut rng = seeded("the_median_of_a_latency_is_its_delay");
    let mut delays: Vec<_> = (0..2_001)
        .map(|_| {
            let mut run = Run::under(&[Toxic::latency(delay, jitter).unwrap()], rng.random());
            run.feed(1);
            run.pass(SECOND);
            run.last()
        })
        .collect();
    delays.sort_unstable();
    let (least, median, most) = (delays[0], delays[1_000], delays[2_000]);
    assert!(least >= 50 * MILLISECOND && least < 52 * MILLISECOND, "{least:?}");
    // Six standard deviations of a median of so many, evenly spread.
    assert!(median.abs_diff(delay) < 7 * MILLISECOND, "{median:?}");
    assert!(most <= 150 * MILLISECOND && most > 148 * MILLISECOND, "{most:?}");
}

#[test]
fn a_latency_that_changes_counts_from_when_the_bytes_came() {
    let latency = |delay| Toxic::latency(delay * MILLISECOND, Duration::ZERO).unwrap();
    let mut run = Run::under(&[latency(100)], 0);
    run.feed(1);
    run.pass(50 * MILLISECOND);
    run.toxics.change("0", latency(300)).unwrap();
    run.set();
    run.pass(SECOND);
    assert_eq!(run.last(), 300 * MILLISECOND);
}

#[test]
fn the_times_of_toxics_add_up_however_late_somebody_looks() {
    let late = Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap();
    let mut run = Run::under(&[late, Toxic::bandwidth(1_000).unwrap(), late], 0);
    run.feed(100);
    run.now += 299 * MILLISECOND;
    run.write_all();
    assert_eq!(run.written_length(), 99 - 10 + 1, "all but what is not due, in pieces of 10");
    run.pass(MILLISECOND);
    assert_eq!(run.written_length(), 100);
}

/// What is on its way under latency is more than what is held without.
#[test]
fn latency_alone_costs_no_bandwidth_as_long_as_it_fits() {
    let mut run = Run::under(&[Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap()], 0);
    run.feed_all(900 * 1024);
    assert_eq!(run.now, run.start, "all was read at once");
    run.pass(100 * MILLISECOND);
    assert_eq!(run.written_length(), 900 * 1024);
    let plain = Run::under(&[], 0);
    assert_eq!(plain.pipe.room(), SHORT);
}

#[test]
fn a_slow_close_keeps_the_end_alone() {
    let mut run = Run::under(&[Toxic::slow_close(SECOND).unwrap()], 0);
    run.feed(100);
    run.pipe.end(run.now);
    run.pass(10 * SECOND);
    assert_eq!((run.last(), run.finished), (Duration::ZERO, vec![SECOND]));
}
