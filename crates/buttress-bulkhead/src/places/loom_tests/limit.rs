//! The limit changes while others come, wait and leave.

use super::*;

/// Where there is room all the time nobody is refused, or made to wait, while the limit grows.
#[test]
fn nobody_is_refused_while_room_is_added() {
    model_bounded(|| {
        let places = places(2, 0);
        let grows = spawn(&places, |places| places.change_limit(3));
        let other = spawn(&places, |places| {
            assert_eq!(places.enter_or_queue(1), Joined::Entered);
            places.leave();
        });
        assert!(places.enters());
        places.leave();
        other.join().unwrap();
        grows.join().unwrap();
        assert_free(&places, 3);
    });
}

/// The limit grows while one leaves, and while one joins: nobody sleeps beside a free place.
#[test]
fn nobody_sleeps_while_the_limit_grows() {
    for joins in [false, true] {
        loom::model(move || {
            let places = places(1, 1);
            let waits = (!joins).then(|| queue(&places));
            let grows = spawn(&places, |places| places.change_limit(2));
            let joined = if joins { Some(places.enter_or_queue(1)) } else { None };
            if !joins {
                places.leave();
            }
            grows.join().unwrap();
            match joined {
                Some(Joined::Queued(waiter)) => assert!(is_served(&places, waiter)),
                Some(Joined::Full(figures)) => panic!("nobody waits: {figures:?}"),
                Some(Joined::Entered) | None => {}
            }
            if let Some((waiter, bell)) = waits {
                assert_eq!(bell.rung(), 1);
                assert!(is_served(&places, waiter));
            }
            places.leave();
            if joins {
                places.leave();
            }
            assert_free(&places, 2);
        });
    }
}

/// The limit shrinks while others come and go: once it has, nobody comes in as long as it is full, and
/// one who waits meanwhile is served as soon as it is not.
#[test]
fn nobody_comes_in_by_a_limit_that_no_longer_holds() {
    model_bounded(|| {
        let places = places(2, 1);
        let shrinks = spawn(&places, |places| {
            places.change_limit(1);
            let first = places.figures();
            assert_eq!(first.limit, 1);
            let second = places.figures();
            assert_eq!(second.came, first.came, "the one who is in has not left");
        });
        let enters = spawn(&places, Places::enters);
        let joined = places.enter_or_queue(1);
        shrinks.join().unwrap();
        let entered = enters.join().unwrap();
        let entered = usize::from(entered) + usize::from(joined == Joined::Entered);
        assert_eq!(places.figures().in_flight, 1 + entered);
        assert!(entered < 2);
        for _ in 0..entered {
            places.leave();
        }
        if let Joined::Queued(waiter) = joined {
            assert!(!is_served(&places, waiter), "one is in still");
            places.leave();
            assert!(is_served(&places, waiter));
        }
        places.leave();
        assert_free(&places, 1);
    });
}

/// Two change the limit at once, and one leaves: the limit is one of the two, and who waits has what it
/// lets him have.
#[test]
fn two_change_the_limit() {
    model_bounded(|| {
        let places = places(2, 2);
        let (waiter, bell) = queue(&places);
        let grows = spawn(&places, |places| places.change_limit(3));
        let shrinks = spawn(&places, |places| places.change_limit(1));
        places.leave();
        grows.join().unwrap();
        shrinks.join().unwrap();
        let figures = places.figures();
        assert!(figures.queued == 0 || figures.in_flight >= figures.limit, "sleeps beside a place");
        assert!(figures.limit == 3 || figures.limit == 1);
        places.leave();
        assert_eq!(bell.rung(), 1);
        assert!(is_served(&places, waiter));
        places.leave();
        assert_free(&places, figures.limit);
    });
}
