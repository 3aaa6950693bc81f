//! Leave to make one call.

use std::{num::NonZeroU64, time::Duration};

const PROBE: u64 = 1 << 1;
const PLACE_SHIFT: u32 = 2;
const GENERATION_SHIFT: u32 = PLACE_SHIFT + Ticket::PLACE_BITS;
const PLACE_MASK: u64 = (1 << Ticket::PLACE_BITS) - 1;

/// Leave to make one call; given back by [`Circuit::settle`](super::Circuit::settle).
///
/// Two words, for it is moved on every call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The generation, the number of the place that it holds if the circuit was half-open, whether it
    /// was, and one bit that makes it no zero.
    bits: NonZeroU64,
    /// When the call began, where it matters how long it takes: nanoseconds since the circuit was
    /// made, and one.
    began: Option<NonZeroU64>,
}

impl Ticket {
    /// How many bits of a place's number it has room for.
    pub(crate) const PLACE_BITS: u32 = 20;

    /// For a call that is let through by one that only reports, and counts for nothing: of a
    /// generation that never comes.
    pub(super) const UNCOUNTED: Self = Self { bits: NonZeroU64::MAX, began: None };

    /// For a closed circuit.
    #[inline]
    pub(super) const fn closed(generation: u64, began: Option<Duration>) -> Self {
        Self::new(generation << GENERATION_SHIFT, began)
    }

    /// For a half-open one, with a place.
    pub(super) const fn probe(generation: u64, place: u64, began: Option<Duration>) -> Self {
        let place = (place & PLACE_MASK) << PLACE_SHIFT;
        Self::new((generation << GENERATION_SHIFT) | place | PROBE, began)
    }

    #[inline]
    const fn new(bits: u64, began: Option<Duration>) -> Self {
        let began = match began {
            Some(began) => NonZeroU64::new(nanos(began).saturating_add(1)),
            None => None,
        };
        Self { bits: NonZeroU64::MIN.saturating_add(bits), began }
    }

    /// The same once more, for one who settles it if whoever has it can not.
    #[inline]
    pub(crate) const fn twin(&self) -> Self {
        Self { bits: self.bits, began: self.began }
    }

    /// The generation; none if it counts for nothing.
    #[inline]
    pub(super) fn generation(&self) -> Option<u64> {
        (*self != Self::UNCOUNTED).then_some(self.bits.get() >> GENERATION_SHIFT)
    }

    /// The number of its place, as far as there is room for it, if it has one.
    #[inline]
    pub(super) const fn place(&self) -> Option<u64> {
        let bits = self.bits.get();
        if bits & PROBE == 0 { None } else { Some((bits >> PLACE_SHIFT) & PLACE_MASK) }
    }

    /// Whether it matters how long the call takes.
    #[inline]
    pub(crate) const fn is_timed(&self) -> bool {
        self.began.is_some()
    }

    /// Takes this off the time that the call takes.
    pub(crate) fn discount(&mut self, time: Duration) {
        self.began = self.began.map(|began| began.saturating_add(nanos(time)));
    }

    /// When the call began, since the circuit was made, where that matters.
    pub(super) fn began(&self) -> Option<Duration> {
        self.began.map(|began| Duration::from_nanos(began.get() - 1))
    }
}

/// Nanoseconds; of more than five centuries, that many.
#[expect(clippy::cast_possible_truncation, reason = "compared before")]
const fn nanos(time: Duration) -> u64 {
    let nanos = time.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_are_apart(
            generation in 0_u64..(1 << 42) - 1,
            place in 0_u64..1 << Ticket::PLACE_BITS,
            began in prop::option::of(0_u64..u64::MAX - 8),
        ) {
            let began = began.map(Duration::from_nanos);
            let probe = Ticket::probe(generation, place, began);
            prop_assert_eq!((probe.generation(), probe.place()), (Some(generation), Some(place)));
            prop_assert_eq!(probe.began(), began);
            let closed = Ticket::closed(generation, began);
            prop_assert_eq!((closed.generation(), closed.place()), (Some(generation), None));
            prop_assert_eq!(closed.began(), began);
            let mut later = Ticket::closed(generation, began);
            later.discount(Duration::from_nanos(7));
            prop_assert_eq!(later.began(), began.map(|began| began + Duration::from_nanos(7)));
            prop_assert_eq!((later.generation(), later.is_timed()), (Some(generation), began.is_some()));
        }
    }

    #[test]
    fn what_counts_for_nothing_is_of_no_generation() {
        assert_eq!(Ticket::UNCOUNTED.generation(), None);
        assert_eq!(size_of::<Option<Ticket>>(), 2 * size_of::<u64>());
    }
}
