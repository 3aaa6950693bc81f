use std::{collections::VecDeque, sync::atomic::AtomicBool, thread};

use proptest::prelude::*;

use super::*;

const BAD: Ended = Ended { failed: true, slow: false };

fn ended() -> impl Strategy<Value = Ended> {
    any::<(bool, bool)>().prop_map(|(failed, slow)| Ended { failed, slow })
}

/// What the slots say, which is what the counts must be.
fn recounted(ring: &Ring) -> Counts {
    let state = ring.layout.unpack(ring.word.load(Ordering::Acquire));
    let calls = if state.full { ring.slots.len() } else { usize::try_from(state.place).unwrap() };
    let slots = ring.slots[..calls].iter().map(|slot| slot.load(Ordering::Acquire));
    let count = |flag| slots.clone().filter(|slot| slot & flag == flag).count() as u64;
    Counts { calls: calls as u64, failed: count(FAILED), slow: count(SLOW) }
}

/// The first lap, and one just before the numbers of laps begin anew.
fn first_laps(calls: u32) -> [u64; 2] {
    let layout = Layout::new(calls);
    [1, (1 << layout.lap_bits()) - 2]
}

proptest! {
    #[test]
    fn equals_a_queue(
        calls in prop_oneof![1_u32..9, Just(100), Just(10_000)],
        history in prop::collection::vec(prop_oneof![30 => ended().prop_map(Some), 1 => Just(None)], 0..400),
    ) {
        for lap in first_laps(calls) {
            let ring = Ring::from_lap(calls, lap);
            let mut queue = VecDeque::new();
            for step in &history {
                let Some(ended) = *step else {
                    ring.clear();
                    queue.clear();
                    prop_assert_eq!(ring.counts(), Counts::default());
                    continue;
                };
                queue.push_back(ended);
                if queue.len() > calls as usize {
                    queue.pop_front();
                }
                let count = |of: fn(&Ended) -> bool| queue.iter().filter(|ended| of(ended)).count() as u64;
                let counts = Counts {
                    calls: queue.len() as u64,
                    failed: count(|ended| ended.failed),
                    slow: count(|ended| ended.slow),
                };
                prop_assert_eq!(ring.note(ended, || true), Some(counts));
                prop_assert_eq!(ring.counts(), counts);
                prop_assert_eq!(recounted(&ring), counts);
            }
        }
    }
}

#[test]
fn a_call_of_a_spell_that_is_over_is_not_noted() {
    let ring = Ring::new(3);
    assert_eq!(ring.note(BAD, || false), None);
    assert_eq!(ring.counts(), Counts::default());
    // Over between the question and the exchange: the ring is cleared in between.
    let over = AtomicBool::new(false);
    let is_current = || {
        let current = !over.swap(true, Ordering::SeqCst);
        ring.clear();
        current
    };
    assert_eq!(ring.note(BAD, is_current), None);
    assert_eq!(ring.counts(), Counts::default());
}

/// One that was put to sleep before it wrote its slot, and wakes laps later, writes nothing.
#[test]
fn a_late_writer_does_no_harm() {
    for calls in [1, 2, 5] {
        for lap in first_laps(calls) {
            let ring = Ring::from_lap(calls, lap);
            ring.note(BAD, || true);
            let asleep = ring.layout.unpack(ring.word.load(Ordering::Acquire));
            for _ in 0..3 * calls {
                ring.note(Ended { failed: false, slow: true }, || true);
                ring.write_last(asleep);
                assert_eq!(ring.counts(), recounted(&ring));
            }
            assert_eq!(ring.counts().failed, 0);
        }
    }
}

/// A call that was counted and whose writer sleeps is written by the next.
#[test]
fn a_sleeping_writer_is_not_waited_for() {
    let ring = Ring::new(2);
    let state = ring.layout.unpack(ring.word.load(Ordering::Acquire));
    let next = ring.after(state, FAILED);
    ring.word.store(ring.layout.pack(next), Ordering::Release);
    assert_ne!(recounted(&ring), ring.counts(), "it is asleep");
    ring.note(Ended { failed: false, slow: false }, || true);
    assert_eq!(recounted(&ring), ring.counts());
    assert_eq!(ring.counts(), Counts { calls: 2, failed: 1, slow: 0 });
}

#[test]
fn the_counts_are_those_of_the_slots_under_threads() {
    for calls in [1, 2, 7, 100] {
        let ring = Ring::new(calls);
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let ring = &ring;
                scope.spawn(move || {
                    let mut random = thread;
                    for _ in 0..30_000 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let (failed, slow) = ((random >> 40) & 1 == 1, (random >> 41) & 1 == 1);
                        let counts = ring.note(Ended { failed, slow }, || true).unwrap();
                        assert!(counts.calls <= u64::from(calls));
                        assert!(counts.failed.max(counts.slow) <= counts.calls);
                        if (random >> 50).is_multiple_of(100) {
                            ring.clear();
                        }
                    }
                });
            }
        });
        assert_eq!(ring.counts(), recounted(&ring));
    }
}

/// A circuit that was reset, or opened, so often that the laps have gone half way round, while its
/// window never filled.
#[test]
fn many_short_spells_do_not_stop_the_window() {
    const CALLS: u32 = 10_000;
    let ring = Ring::new(CALLS);
    let half = 1_u64 << (ring.layout.lap_bits() - 1);
    for _ in 0..half {
        ring.note(BAD, || true);
        ring.clear();
    }
    for _ in 0..CALLS {
        ring.note(BAD, || true);
    }
    for _ in 0..2 * CALLS {
        ring.note(Ended { failed: false, slow: false }, || true);
    }
    assert_eq!(
        ring.counts(),
        Counts { calls: u64::from(CALLS), failed: 0, slow: 0 },
        "{half} clears"
    );
}
