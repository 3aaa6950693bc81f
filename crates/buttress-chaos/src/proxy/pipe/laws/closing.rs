//! When connections close and are reset.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    super::Next,
    MILLISECOND, SECOND, lossless,
    run::{Run, payload},
};
use crate::proxy::Toxic;

proptest! {
    /// The very bytes, then the close; also when they are still in other toxics.
    #[test]
    fn a_limit_lets_pass_what_it_says_and_closes(
        seed: u64,
        limit in 0_usize..20_000,
        length in 1_usize..20_000,
        before in lossless(),
        after in lossless(),
    ) {
        let black = |toxic: &Toxic| toxic.kind().name() == "blackhole";
        prop_assume!(!black(&before) && !black(&after));
        let mut run = Run::under(&[before, Toxic::limit_data(limit as u64), after], seed);
        run.feed_all(length);
        run.pass(1_000_000 * SECOND);
        prop_assert!(run.written() == payload(length.min(limit)));
        let closed = run.ended.as_ref().map(|(_, next)| next);
        let reached = length >= limit.max(1);
        prop_assert_eq!(closed, reached.then_some(&Next::Close));
        prop_assert!(!reached || run.pipe.room() == 0);
    }
}

#[test]
fn a_timeout_swallows_and_closes_when_it_says() {
    let mut run = Run::under(&[Toxic::timeout(SECOND).unwrap()], 0);
    for _ in 0..9 {
        run.feed(1_000);
        run.pass(100 * MILLISECOND);
    }
    run.pipe.end(run.now);
    run.pass(SECOND);
    assert_eq!((run.written_length(), run.finished.len()), (0, 0));
    assert_eq!(run.ended, Some((SECOND, Next::Close)));

    let mut never = Run::under(&[Toxic::timeout(Duration::ZERO).unwrap()], 0);
    never.feed(1);
    never.pass(1_000_000 * SECOND);
    assert_eq!((never.written_length(), &never.ended), (0, &None));
}

/// The rest of a stream that has lost a part is not passed on as if it were whole.
#[test]
fn a_timeout_that_has_swallowed_leaves_no_stream_with_a_hole() {
    let timeout = Toxic::timeout(Duration::ZERO).unwrap();
    for fed in [0, 1] {
        for after in [None, Some(timeout.toxicity(0.0).unwrap()), Some(Toxic::limit_data(9))] {
            let mut run = Run::under(&[timeout], 0);
            run.feed(fed);
            match after {
                None => drop(run.toxics.remove("0")),
                Some(toxic) => run.toxics.change("0", toxic).unwrap(),
            }
            run.set();
            run.feed(5);
            run.pass(SECOND);
            let lost = fed == 1;
            assert_eq!(run.ended.is_some(), lost, "{fed} {after:?}");
            assert_eq!(run.written_length(), if lost { 0 } else { 5 }, "{fed} {after:?}");
        }
    }
}

/// It strikes after its time, whether or not anything flows, and also when this way has ended.
#[test]
fn a_reset_comes_when_it_says() {
    for ended in [false, true] {
        let mut run = Run::under(&[Toxic::reset_peer(SECOND).unwrap()], 0);
        run.feed(100);
        if ended {
            run.pipe.end(run.now);
        }
        run.pass(999 * MILLISECOND);
        assert_eq!((run.written_length(), run.finished.len()), (100, usize::from(ended)));
        run.pass(SECOND);
        assert_eq!(run.ended, Some((SECOND, Next::Reset)));
    }
}

#[test]
fn a_reset_of_the_reader_comes_after_his_bytes() {
    let mut run = Run::under(&[Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap()], 0);
    run.feed(10);
    run.pipe.reset(run.now);
    run.pass(SECOND);
    assert_eq!(run.written_length(), 10);
    assert_eq!(run.ended, Some((100 * MILLISECOND, Next::Reset)));
}

/// Also after his end: he has gone, and what he sent before comes first.
#[test]
fn a_reset_comes_after_an_end() {
    let late = Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap();
    let mut run = Run::under(&[late, Toxic::slow_close(SECOND).unwrap()], 0);
    run.feed(10);
    run.pipe.end(run.now);
    run.pipe.reset(run.now);
    run.pipe.reset(run.now);
    run.pass(99 * MILLISECOND);
    assert!(!run.pipe.is_reset());
    run.pass(10 * SECOND);
    assert_eq!(run.written_length(), 10);
    assert_eq!(run.finished, [1100 * MILLISECOND]);
    assert_eq!(run.ended, Some((1100 * MILLISECOND, Next::Reset)));
}
