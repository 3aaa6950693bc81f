//! Threads that wait for a place while others leave.

use super::*;

/// One leaves while another joins, whichever of them loom lets run first: he comes in, or is given the
/// place, and is woken if he had given his waker before.
#[test]
fn who_joins_while_one_leaves_is_served() {
    for spawns_the_one_who_leaves in [false, true] {
        loom::model(move || {
            let places = places(1, 1);
            let join = |places: &Places| {
                let (bell, waker) = Bell::new();
                match places.enter_or_queue(1) {
                    Joined::Entered => None,
                    Joined::Full(figures) => panic!("nobody waits: {figures:?}"),
                    Joined::Queued(waiter) => {
                        (!places.takes(waiter, &waker)).then_some((waiter, bell))
                    }
                }
            };
            let waits = if spawns_the_one_who_leaves {
                let leaves = spawn(&places, Places::leave);
                let waits = join(&places);
                leaves.join().unwrap();
                waits
            } else {
                let joins = spawn(&places, join);
                places.leave();
                joins.join().unwrap()
            };
            if let Some((waiter, bell)) = waits {
                assert_eq!(bell.rung(), 1);
                assert!(is_served(&places, waiter));
            }
            places.leave();
            assert_free(&places, 1);
        });
    }
}

/// The same of two who join while two leave.
#[test]
fn who_join_while_others_leave_are_served() {
    model_bounded(|| {
        let places = places(2, 2);
        let leaves = spawn(&places, |places| {
            places.leave();
            places.leave();
        });
        let joined = [places.enter_or_queue(2), places.enter_or_queue(2)];
        let bells = joined.map(|joined| {
            let (bell, waker) = Bell::new();
            match joined {
                Joined::Entered => None,
                Joined::Full(figures) => panic!("fewer than two wait: {figures:?}"),
                Joined::Queued(waiter) => (!places.takes(waiter, &waker)).then_some((waiter, bell)),
            }
        });
        leaves.join().unwrap();
        for (waiter, bell) in bells.into_iter().flatten() {
            assert_eq!(bell.rung(), 1);
            assert!(is_served(&places, waiter));
        }
        places.leave();
        places.leave();
        assert_free(&places, 2);
    });
}

/// Two who leave at once, while two wait: both are served, and woken once.
#[test]
fn two_who_leave_serve_two() {
    loom::model(|| {
        let places = places(2, 2);
        let guests = [queue(&places), queue(&places)];
        let leaves = spawn(&places, Places::leave);
        places.leave();
        leaves.join().unwrap();
        for (waiter, bell) in guests {
            assert_eq!(bell.rung(), 1);
            assert!(is_served(&places, waiter));
            places.leave();
        }
        assert_free(&places, 2);
    });
}

/// Nobody overtakes who waits, not even in the moment when the place passes to him.
#[test]
fn nobody_overtakes() {
    loom::model(|| {
        let places = places(1, 1);
        let (waiter, bell) = queue(&places);
        let looks_in = spawn(&places, Places::enters);
        places.leave();
        assert!(!looks_in.join().unwrap());
        assert_eq!(bell.rung(), 1);
        assert!(is_served(&places, waiter));
        places.leave();
        assert_free(&places, 1);
    });
}

/// A waiter quits while he is being served: the place goes to the next, and where there is none it is
/// free.
#[test]
fn who_quits_while_being_served_loses_no_place() {
    for next in [false, true] {
        loom::model(move || {
            let places = places(1, 1);
            let (quits, _bell) = queue(&places);
            let stays = next.then(|| queue(&places));
            let leaves = spawn(&places, Places::leave);
            places.quit(quits);
            leaves.join().unwrap();
            if let Some((stays, bell)) = stays {
                assert_eq!(bell.rung(), 1);
                assert!(is_served(&places, stays));
                places.leave();
            }
            assert_free(&places, 1);
        });
    }
}

/// A waiter changes his waker while he is being served: one of the two is woken, or he sees it.
#[test]
fn who_changes_his_waker_is_woken() {
    loom::model(|| {
        let places = places(1, 1);
        let (waiter, former) = queue(&places);
        let leaves = spawn(&places, Places::leave);
        let (bell, waker) = Bell::new();
        let served = places.takes(waiter, &waker);
        leaves.join().unwrap();
        let rung = (former.rung(), bell.rung());
        assert_eq!(rung, if served { (1, 0) } else { (0, 1) });
        assert!(served || is_served(&places, waiter));
        places.leave();
        assert_free(&places, 1);
    });
}
