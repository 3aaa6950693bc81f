//! The last so many calls, exactly.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Counts, Ended};

const FAILED: u32 = 1;
const SLOW: u32 = 2;
const ENDED_BITS: u32 = 2;

/// The most bits that a slot has for the number of its lap.
const SLOT_LAP_BITS: u32 = u32::BITS - ENDED_BITS;

/// The last so many calls, exactly.
///
/// One word holds the counts, the place that the next call goes to, and the last call. Each call
/// is one compare-and-swap of that word; what it was is written to its slot afterwards, by
/// whoever comes first, itself or the next call. So the counts are those of the slots at each
/// instant, and nobody waits for a thread that was put to sleep half way.
///
/// A slot says in which lap it was written, so that one that comes late to write does no harm:
/// the counts of one lap may recur, but not with its number, for as long as a thread may sleep.
#[derive(Debug)]
pub(crate) struct Ring {
    word: AtomicU64,
    slots: Box<[AtomicU32]>,
    layout: Layout,
}

/// Where the parts of the word are: counts and the place are as wide as they must be, and the
/// lap has the rest.
#[derive(Debug, Clone, Copy)]
struct Layout {
    width: u32,
}

/// The word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    lap: u64,
    /// Where the next call goes.
    place: u64,
    /// Whether every slot holds a call, so that the next one puts another out.
    full: bool,
    failed: u64,
    slow: u64,
    /// The last call, which its slot may not hold yet.
    last: u32,
}

impl State {
    const fn empty(lap: u64) -> Self {
        Self { lap, place: 0, full: false, failed: 0, slow: 0, last: 0 }
    }
}

impl Layout {
    const fn new(calls: u32) -> Self {
        Self { width: u32::BITS - calls.leading_zeros() }
    }

    const fn mask(self) -> u64 {
        (1 << self.width) - 1
    }

    /// How much of a lap's number both the word and a slot have room for.
    const fn lap_bits(self) -> u32 {
        let in_word = u64::BITS - 3 * self.width - 1 - ENDED_BITS;
        if in_word < SLOT_LAP_BITS { in_word } else { SLOT_LAP_BITS }
    }

    /// A slot that was written in this lap.
    #[expect(clippy::cast_possible_truncation, reason = "the high bits are to go")]
    const fn slot(self, lap: u64, call: u32) -> u32 {
        let lap = lap & ((1 << self.lap_bits()) - 1);
        ((lap as u32) << ENDED_BITS) | call
    }

    /// Whether a slot was written in an earlier lap than another: half of all numbers lie before
    /// any.
    const fn is_older(self, found: u32, written: u32) -> bool {
        let behind = (written >> ENDED_BITS).wrapping_sub(found >> ENDED_BITS);
        let behind = behind & ((1 << self.lap_bits()) - 1);
        behind != 0 && behind < 1 << (self.lap_bits() - 1)
    }

    const fn pack(self, state: State) -> u64 {
        let mut bits = state.lap;
        bits = (bits << self.width) | state.place;
        bits = (bits << self.width) | state.failed;
        bits = (bits << self.width) | state.slow;
        bits = (bits << 1) | state.full as u64;
        (bits << ENDED_BITS) | state.last as u64
    }

    const fn unpack(self, bits: u64) -> State {
        let last = (bits & ((1 << ENDED_BITS) - 1)) as u32;
        let bits = bits >> ENDED_BITS;
        let full = bits & 1 == 1;
        let bits = bits >> 1;
        let (slow, bits) = (bits & self.mask(), bits >> self.width);
        let (failed, bits) = (bits & self.mask(), bits >> self.width);
        let (place, lap) = (bits & self.mask(), bits >> self.width);
        State { lap, place, full, failed, slow, last }
    }
}

impl Ring {
    /// An empty one for so many calls, at least one.
    pub(super) fn new(calls: u32) -> Self {
        Self::from_lap(calls, 1)
    }

    fn from_lap(calls: u32, lap: u64) -> Self {
        let layout = Layout::new(calls);
        // The slots are of the lap before, for they hold nothing.
        let unwritten = || AtomicU32::new(layout.slot(lap.wrapping_sub(1), 0));
        Self {
            word: AtomicU64::new(layout.pack(State::empty(lap))),
            slots: (0..calls).map(|_| unwritten()).collect(),
            layout,
        }
    }

    /// Notes a call, if it is still of the spell.
    pub(super) fn note(&self, ended: Ended, is_current: impl Fn() -> bool) -> Option<Counts> {
        let call = if ended.failed { FAILED } else { 0 } | if ended.slow { SLOW } else { 0 };
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            // Asked after the word was read: were the spell over since then, the ring would be
            // cleared next, and the exchange below fail or be forgotten.
            if !is_current() {
                return None;
            }
            let state = self.layout.unpack(bits);
            self.write_last(state);
            let next = self.after(state, call);
            let bits_after = self.layout.pack(next);
            match self.word.compare_exchange(bits, bits_after, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    self.write_last(next);
                    return Some(self.counted(next));
                }
                Err(found) => bits = found,
            }
        }
    }

    /// The state after one more call. It is only of use if the word has not changed since, for
    /// else the slot may hold another call already.
    fn after(&self, state: State, call: u32) -> State {
        let State { mut lap, mut place, mut full, mut failed, mut slow, .. } = state;
        if full {
            let out = self.slots[Self::index(place)].load(Ordering::Acquire);
            failed = failed.wrapping_sub(u64::from(out & FAILED == FAILED));
            slow = slow.wrapping_sub(u64::from(out & SLOW == SLOW));
        }
        failed = failed.wrapping_add(u64::from(call & FAILED == FAILED)) & self.layout.mask();
        slow = slow.wrapping_add(u64::from(call & SLOW == SLOW)) & self.layout.mask();
        place += 1;
        if place == self.slots.len() as u64 {
            (lap, place, full) = (lap.wrapping_add(1), 0, true);
        }
        State { lap, place, full, failed, slow, last: call }
    }

    /// Writes the last call of this state to its slot, unless that was done.
    fn write_last(&self, state: State) {
        let (lap, place) = match state.place.checked_sub(1) {
            Some(place) => (state.lap, place),
            // That of the lap before. The first of a spell has none, and what is written then is of a
            // lap that nobody looks at.
            None => (state.lap.wrapping_sub(1), self.slots.len() as u64 - 1),
        };
        let written = self.layout.slot(lap, state.last);
        let target = &self.slots[Self::index(place)];
        let mut found = target.load(Ordering::Acquire);
        while self.layout.is_older(found, written) {
            match target.compare_exchange(found, written, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(newer) => found = newer,
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counted(self.layout.unpack(self.word.load(Ordering::Acquire)))
    }

    fn counted(&self, state: State) -> Counts {
        let calls = if state.full { self.slots.len() as u64 } else { state.place };
        Counts { calls, failed: state.failed, slow: state.slow }
    }

    /// Forgets every call. Those that are about to be noted are so before this, or not at all.
    pub(super) fn clear(&self) {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let lap = self.layout.unpack(bits).lap.wrapping_add(1);
            let empty = self.layout.pack(State::empty(lap));
            match self.word.compare_exchange(bits, empty, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return self.refresh(lap),
                Err(found) => bits = found,
            }
        }
    }

    /// A new lap has begun before its end, so most slots were not written in the one before. One of
    /// them is now, another with each lap: else, after half of all numbers, they would seem younger
    /// than what is to be written to them.
    fn refresh(&self, lap: u64) {
        let slot = &self.slots[Self::index(lap % self.slots.len() as u64)];
        let before = self.layout.slot(lap.wrapping_sub(1), 0);
        let found = slot.load(Ordering::Acquire);
        if self.layout.is_older(found, before) {
            // Whoever comes first has written something younger.
            let _ = slot.compare_exchange(found, before, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place is less than the slots")]
    const fn index(place: u64) -> usize {
        place as usize
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
