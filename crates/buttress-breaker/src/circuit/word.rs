//! What a circuit is at one moment, in one word.

use buttress_core::CircuitState;

const STATE_BITS: u32 = 2;
const FAILURES_BITS: u32 = 20;
const FAILURES_MASK: u64 = (1 << FAILURES_BITS) - 1;
const GENERATION_SHIFT: u32 = STATE_BITS + FAILURES_BITS;

/// The most failures in a row that can be told apart; the word has room for a few more.
pub(crate) const MOST_FAILURES: u32 = 1_000_000;

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
        match self.0 & ((1 << STATE_BITS) - 1) {
            0 => CircuitState::Closed,
            1 => CircuitState::Open,
            _ => CircuitState::HalfOpen,
        }
    }

    pub(super) fn failures(self) -> u32 {
        u32::try_from((self.0 >> STATE_BITS) & FAILURES_MASK).unwrap_or(u32::MAX)
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// The same state and generation with this count.
    pub(super) fn with_failures(self, failures: u32) -> Self {
        let others = self.0 & !(FAILURES_MASK << STATE_BITS);
        Self(others | ((u64::from(failures) & FAILURES_MASK) << STATE_BITS))
    }

    /// The next generation, in `state`, with the same count.
    pub(super) const fn next(self, state: CircuitState) -> Self {
        let state = match state {
            CircuitState::Closed => 0,
            CircuitState::Open => 1,
            CircuitState::HalfOpen => 2,
        };
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
            before in 0..=MOST_FAILURES,
            failures in 0..=MOST_FAILURES,
            state in prop::sample::select(vec![Closed, Open, HalfOpen]),
        ) {
            let word = Word(generation << GENERATION_SHIFT).with_failures(before).next(state);
            prop_assert_eq!((word.generation(), word.state()), (generation + 1, state));
            prop_assert_eq!(word.failures(), before);
            let counted = word.with_failures(failures);
            prop_assert_eq!((counted.generation(), counted.state()), (generation + 1, state));
            prop_assert_eq!(counted.failures(), failures);
            prop_assert_eq!(Word::from_bits(counted.bits()), counted);
        }
    }
}
