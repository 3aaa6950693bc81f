//! What a pipe promises, over times that the tests choose.

use std::time::Duration;

use buttress_testkit::seeded;
use proptest::prelude::*;
use rand::RngExt;

use super::{super::toxic::Direction, *};
use crate::proxy::{Toxic, toxics::Toxics};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MEBIBYTE: usize = 1024 * 1024;
const BUFFER: usize = MEBIBYTE;

/// A pipe, its toxics, and what came out of it when.
struct Run {
    pipe: Pipe,
    toxics: Toxics,
    start: Instant,
    now: Instant,
    fed: usize,
    out: Vec<(Duration, Bytes)>,
    finished: Vec<Duration>,
    ended: Option<(Duration, Next)>,
}

impl Run {
    fn new(buffer: usize, seed: u64) -> Self {
        let now = Instant::now();
        let pipe = Pipe::new(buffer, seed);
        let (out, finished) = (Vec::new(), Vec::new());
        Self { pipe, toxics: Toxics::new(), start: now, now, fed: 0, out, finished, ended: None }
    }

    fn under(toxics: &[Toxic], seed: u64) -> Self {
        let mut run = Self::new(BUFFER, seed);
        for (place, toxic) in toxics.iter().enumerate() {
            run.toxics.add(&format!("{place}"), *toxic).unwrap();
        }
        run.set();
        run
    }

    fn set(&mut self) {
        let toxics = self.toxics.watch().borrow().of(Direction::Downstream);
        self.pipe.set(self.now, &toxics);
    }

    /// As many as there is room for, numbered on.
    fn feed(&mut self, length: usize) -> usize {
        let length = length.min(self.pipe.room());
        if length > 0 {
            let bytes: Vec<_> = (self.fed..self.fed + length).map(byte).collect();
            self.pipe.push(self.now, bytes.into());
            self.fed += length;
        }
        length
    }

    /// Feeds all of it, as soon as there is room.
    fn feed_all(&mut self, length: usize) {
        let all = self.fed + length;
        while self.fed < all {
            self.feed((all - self.fed).min(16 * 1024));
            let Some(wake) = self.write_all() else { continue };
            if self.pipe.room() == 0 {
                self.now = self.now.max(wake);
            }
        }
    }

    /// Writes what is to be written now, and says when to look again.
    fn write_all(&mut self) -> Option<Instant> {
        loop {
            let at = self.now - self.start;
            match self.pipe.next(self.now) {
                Next::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    self.out.push((at, bytes));
                }
                Next::Finish => self.finished.push(at),
                Next::Wait(until) => return until,
                ending => {
                    self.ended = Some((at, ending));
                    return None;
                }
            }
        }
    }

    /// Lets time pass, and writes whenever there is something to be written.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(wake) = self.write_all().filter(|wake| *wake <= until) {
            assert!(wake > self.now, "what is due has come out");
            self.now = wake;
        }
        self.now = until;
    }

    fn written(&self) -> Vec<u8> {
        self.out.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    fn written_length(&self) -> usize {
        self.out.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// For each byte, when it came out.
    fn times(&self) -> impl Iterator<Item = Duration> {
        self.out.iter().flat_map(|(at, bytes)| bytes.iter().map(move |_| *at))
    }

    fn last(&self) -> Duration {
        self.out.last().unwrap().0
    }
}

/// So that neither a lost nor a moved one goes unseen.
#[expect(clippy::cast_possible_truncation, reason = "any byte will do")]
fn byte(place: usize) -> u8 {
    (place ^ (place >> 8).wrapping_mul(31) ^ (place >> 16).wrapping_mul(17)) as u8
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(byte).collect()
}

fn lossless() -> impl Strategy<Value = Toxic> {
    let time = |most: u64| (0..=most).prop_map(Duration::from_micros);
    let kind = prop_oneof![
        (time(300_000), time(300_000)).prop_map(|(delay, by)| Toxic::latency(delay, by).unwrap()),
        (1_000_u64..10_000_000).prop_map(|rate| Toxic::bandwidth(rate).unwrap()),
        (1_usize..2_000, 0_usize..2_000, time(20_000)).prop_map(|(average, by, delay)| {
            Toxic::slicer(average, by % average, delay).unwrap()
        }),
        time(300_000).prop_map(|delay| Toxic::slow_close(delay).unwrap()),
        Just(Toxic::blackhole()),
    ];
    (kind, prop_oneof![Just(1.0), 0.0..=1.0])
        .prop_map(|(toxic, share)| toxic.toxicity(share).unwrap())
}

#[derive(Debug, Clone)]
enum Act {
    Feed(usize),
    /// Written meanwhile, as it is due.
    Pass(Duration),
    /// The writer is stuck meanwhile.
    Stall(Duration),
    Add(u8, Toxic),
    Change(u8, Toxic),
    Remove(u8),
    End,
}

fn act() -> impl Strategy<Value = Act> {
    let time = || (0_u64..200_000).prop_map(Duration::from_micros);
    prop_oneof![
        8 => prop_oneof![1_usize..20, 1_usize..20_000].prop_map(Act::Feed),
        4 => time().prop_map(Act::Pass),
        1 => time().prop_map(Act::Stall),
        2 => (0_u8..4, lossless()).prop_map(|(name, toxic)| Act::Add(name, toxic)),
        2 => (0_u8..4, lossless()).prop_map(|(name, toxic)| Act::Change(name, toxic)),
        2 => (0_u8..4).prop_map(Act::Remove),
        1 => Just(Act::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever toxics come, change and go while bytes are in them, and however small the buffer.
    #[test]
    fn no_byte_is_lost_or_moved(
        buffer in prop_oneof![1_usize..2_000, 1_usize..200_000],
        seed: u64,
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut run = Run::new(buffer, seed);
        let mut ended = false;
        for act in acts {
            match act {
                Act::Feed(length) if !ended => {
                    run.feed(length);
                    let held = run.fed - run.written_length();
                    prop_assert!(held <= buffer, "{} are held in {}", held, buffer);
                }
                Act::Feed(_) => {}
                Act::Pass(time) => run.pass(time),
                Act::Stall(time) => run.now += time,
                Act::Add(name, toxic) => drop(run.toxics.add(&name.to_string(), toxic)),
                Act::Change(name, toxic) => drop(run.toxics.change(&name.to_string(), toxic)),
                Act::Remove(name) => drop(run.toxics.remove(&name.to_string())),
                Act::End => {
                    if !ended {
                        run.pipe.end(run.now);
                    }
                    ended = true;
                }
            }
            run.set();
        }
        if !ended {
            run.pipe.end(run.now);
        }
        // What a blackhole holds it gives back when it goes; all others let go of it by themselves.
        for named in run.toxics.list() {
            if named.toxic.kind().name() == "blackhole" {
                run.toxics.remove(&named.name);
            }
        }
        run.set();
        run.pass(1_000_000 * SECOND);
        prop_assert_eq!(&run.ended, &None);
        prop_assert!(run.written() == payload(run.fed));
        prop_assert_eq!(run.finished.len(), 1);
        prop_assert!(run.out.last().is_none_or(|(at, _)| *at <= run.finished[0]));
    }

    #[test]
    fn no_byte_is_earlier_than_its_latency_and_none_later_than_the_jitter_lets_it(
        seed: u64,
        delay in 0_u64..500,
        jitter in 0_u64..500,
        pieces in proptest::collection::vec((1_usize..200, 0_u64..100), 1..50),
    ) {
        let (delay, jitter) = (delay as u32 * MILLISECOND, jitter as u32 * MILLISECOND);
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

    /// From any moment on, as no bandwidth is saved up while nothing is to be sent.
    #[test]
    fn no_byte_is_faster_than_the_bandwidth(
        rate in prop_oneof![1_u64..100, 1_u64..100_000_000],
        pieces in proptest::collection::vec((1_usize..3_000, 0_u64..50), 1..50),
    ) {
        let mut run = Run::under(&[Toxic::bandwidth(rate).unwrap()], 0);
        for (length, pause) in pieces {
            run.feed(length);
            run.pass(Duration::from_millis(pause));
        }
        run.pass(1_000_000 * SECOND);
        prop_assert!(run.written() == payload(run.fed));
        for (place, (from, _)) in run.out.iter().enumerate() {
            let mut bytes = 0;
            for (until, piece) in &run.out[place + 1..] {
                bytes += piece.len();
                let allowed = (*until - *from).as_secs_f64() * rate as f64;
                prop_assert!(bytes as f64 <= allowed + 1e-3, "{} where {}", bytes, allowed);
            }
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
    assert!(least >= delay - jitter && least < delay - jitter + 2 * MILLISECOND, "{least:?}");
    // Six standard deviations of a median of so many, evenly spread.
    assert!(median.abs_diff(delay) < 7 * MILLISECOND, "{median:?}");
    assert!(most <= delay + jitter && most > delay + jitter - 2 * MILLISECOND, "{most:?}");
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
    let mut run =
        Run::under(&[Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap()], 0);
    run.feed_all(900 * 1024);
    assert_eq!(run.now, run.start, "all was read at once");
    run.pass(100 * MILLISECOND);
    assert_eq!(run.written_length(), 900 * 1024);
    let plain = Run::under(&[], 0);
    assert_eq!(plain.pipe.room(), SHORT);
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
fn a_slow_close_keeps_the_end_alone() {
    let mut run = Run::under(&[Toxic::slow_close(SECOND).unwrap()], 0);
    run.feed(100);
    run.pipe.end(run.now);
    run.pass(10 * SECOND);
    assert_eq!((run.last(), run.finished), (Duration::ZERO, vec![SECOND]));
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
fn a_reset_of_the_reader_comes_after_his_bytes() {
    let mut run =
        Run::under(&[Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap()], 0);
    run.feed(10);
    run.pipe.reset(run.now);
    run.pass(SECOND);
    assert_eq!(run.written_length(), 10);
    assert_eq!(run.ended, Some((100 * MILLISECOND, Next::Reset)));
}
