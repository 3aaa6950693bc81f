//! What a circuit is at one moment, in one word.

use buttress_core::CircuitState;

const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;
const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const HELD_CLOSED: u64 = 3;
const FAILURES_BITS: u32 = 20;
const FAILURES_MASK: u64 = (1 << FAILURES_BITS) - 1;
const GENERATION_SHIFT: u32 = STATE_BITS + FAILURES_BITS;

/// Generation, failures in a row and state, packed so that one compare-and-swap compares them
/// all.
///
/// The generation grows with every change of state, so it tells the state, too: a ticket of a
/// generation can change nothing once the state that it was drawn in is over. Its 42 bits last
/// for a century of a thousand changes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    /// Closed, with nothing counted, in the first generation.
    pub(super) const FIRST: Self = Self(0);

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn state(self) -> CircuitState {
        match self.0 & STATE_MASK {
            CLOSED | HELD_CLOSED => CircuitState::Closed,
            OPEN => CircuitState::Open,
            _ => CircuitState::HalfOpen,
        }
    }

    /// Whether it is closed on purpose, and nothing is counted.
    pub(super) const fn is_held_closed(self) -> bool {
        self.0 & STATE_MASK == HELD_CLOSED
    }

    pub(super) fn failures(self) -> u32 {
        u32::try_from((self.0 >> STATE_BITS) & FAILURES_MASK).unwrap_or(u32::MAX)
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// The same state and generation with this count, or the most that there is room for.
    pub(super) fn with_failures(self, failures: u32) -> Self {
        let others = self.0 & !(FAILURES_MASK << STATE_BITS);
        Self(others | (u64::from(failures).min(FAILURES_MASK) << STATE_BITS))
    }

    /// The next generation, in `state`, with the same count.
    pub(super) const fn next(self, state: CircuitState) -> Self {
        self.next_with(match state {
            CircuitState::Closed => CLOSED,
            CircuitState::Open => OPEN,
            CircuitState::HalfOpen => HALF_OPEN,
        })
    }

    /// The next generation, closed on purpose.
    pub(super) const fn next_held_closed(self) -> Self {
        self.next_with(HELD_CLOSED)
    }

    /// The same, closed on purpose.
    pub(super) const fn held_closed(self) -> Self {
        Self((self.0 & !STATE_MASK) | HELD_CLOSED)
    }

    const fn next_with(self, state: u64) -> Self {
        let generation = (self.generation() + 1) << GENERATION_SHIFT;
        Self(generation | (self.0 & (FAILURES_MASK << STATE_BITS)) | state)
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::CircuitState::{Closed, HalfOpen, Open};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No part of the word leaks into another.
        #[test]
        fn the_parts_are_apart(
            generation in 0_u64..(1 << 42) - 1,
            before in 0..1_u32 << FAILURES_BITS,
            failures in 0..1_u32 << FAILURES_BITS,
            state in prop::sample::select(vec![Closed, Open, HalfOpen]),
        ) {
            let word = Word(generation << GENERATION_SHIFT).with_failures(before).next(state);
            prop_assert_eq!((word.generation(), word.state()), (generation + 1, state));
            prop_assert_eq!(word.failures(), before);
            let counted = word.with_failures(failures);
            prop_assert_eq!((counted.generation(), counted.state()), (generation + 1, state));
            prop_assert_eq!(counted.failures(), failures);
            prop_assert_eq!(counted.with_failures(u32::MAX).failures(), (1 << FAILURES_BITS) - 1);
            prop_assert_eq!(Word::from_bits(counted.bits()), counted);
            prop_assert!(!counted.is_held_closed());
            let held = counted.next_held_closed();
            prop_assert!(held.is_held_closed());
            prop_assert_eq!((held.generation(), held.state()), (generation + 2, Closed));
            prop_assert_eq!(held.failures(), failures);
        }
    }
}
