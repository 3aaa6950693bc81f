//! Every interleaving of a few threads.

use loom::{sync::Arc, sync::atomic::AtomicBool, thread};

use super::*;

const FAILED_CALL: Ended = Ended { failed: true, slow: false };
const SLOW_CALL: Ended = Ended { failed: false, slow: true };

/// What the slots say, once the last call is written.
fn recounted(ring: &Ring) -> Counts {
    let state = ring.layout.unpack(ring.word.load(Ordering::Acquire));
    let calls = if state.full { ring.slots.len() as u64 } else { state.place };
    let mut counts = Counts { calls, failed: 0, slow: 0 };
    for slot in ring.slots.iter().take(Ring::index(calls)) {
        let slot = slot.load(Ordering::Acquire);
        counts.failed += u64::from(slot & FAILED == FAILED);
        counts.slow += u64::from(slot & SLOW == SLOW);
    }
    counts
}

/// Threads that push each other's calls out: the counts are always those of the slots.
#[test]
fn the_counts_are_those_of_the_slots() {
    for calls in [1, 2] {
        loom::model(move || {
            let ring = Arc::new(Ring::new(calls));
            ring.note(FAILED_CALL, || true);
            let others: Vec<_> = [FAILED_CALL, SLOW_CALL]
                .into_iter()
                .map(|ended| {
                    let ring = Arc::clone(&ring);
                    thread::spawn(move || ring.note(ended, || true).expect("noted"))
                })
                .collect();
            for other in others {
                let counts = other.join().unwrap();
                assert!(counts.failed.max(counts.slow) <= counts.calls);
            }
            let counts = ring.counts();
            assert_eq!(counts, recounted(&ring));
            assert_eq!(counts.calls, u64::from(calls));
            assert!(counts.failed + counts.slow == u64::from(calls), "each is one of the two");
        });
    }
}

/// A spell that ends while calls of it are being noted leaves nothing behind.
#[test]
fn nothing_of_a_spell_outlives_it() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        let current = Arc::new(AtomicBool::new(true));
        let late = {
            let (ring, current) = (Arc::clone(&ring), Arc::clone(&current));
            thread::spawn(move || {
                ring.note(FAILED_CALL, || current.load(Ordering::Acquire));
                ring.note(FAILED_CALL, || current.load(Ordering::Acquire));
            })
        };
        current.store(false, Ordering::Release);
        ring.clear();
        // Of the next spell.
        ring.note(SLOW_CALL, || true);
        late.join().unwrap();
        assert_eq!(ring.counts(), Counts { calls: 1, failed: 0, slow: 1 });
        assert_eq!(recounted(&ring), ring.counts());
    });
}
