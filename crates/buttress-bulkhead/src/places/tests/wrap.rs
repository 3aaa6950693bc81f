//! The upper bits of the counts begin anew.

use super::*;

/// The first count that the upper bits can not hold.
const WRAP: u64 = 1 << 43;

/// Wherever in a round of three calls the step to zero falls: the same places and the same queue, for
/// those who come and for those who leave.
#[test]
fn goes_on_when_the_counts_begin_anew() {
    for before in 1..=6 {
        let places = Places::new(2);
        let places = Places { counts: Counts::after(WRAP - before, 2), ..places };
        for round in 0..3 {
            assert_eq!(places.figures().came, (WRAP - before + 3 * round) % WRAP);
            assert!(places.enters());
            assert_eq!(places.enter_or_queue(1), Joined::Entered);
            assert!(!places.enters());
            let (bell, waker) = Bell::new();
            let waiter = queue_with(&places, &waker);
            assert_eq!(counted(&places), (2, 1));
            assert!(matches!(places.enter_or_queue(1), Joined::Full(_)));
            places.leave();
            assert_eq!((bell.rung(), counted(&places)), (1, (2, 0)));
            assert!(places.takes(waiter, &waker));
            let figures = places.figures();
            places.change_limit(3);
            assert_eq!(places.figures(), Figures { limit: 3, ..figures });
            places.change_limit(2);
            places.leave();
            places.leave();
            assert_empty(&places);
        }
    }
}
