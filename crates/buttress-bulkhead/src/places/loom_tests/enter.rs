//! Threads that come in where there is room, and leave.

use loom::{cell::Cell, sync::atomic::AtomicUsize as Counter};

use super::*;

/// Threads that come and go: never more are in than the limit, by their own count, whether others are
/// in besides or not.
#[test]
fn never_more_than_the_limit() {
    for besides in [0, 1] {
        loom::model(move || {
            let places = places(1 + besides, besides);
            let inside = Arc::new(Counter::new(0));
            let run = |places: &Places, inside: &Counter| {
                if places.enters() {
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    inside.fetch_sub(1, Ordering::Relaxed);
                    places.leave();
                }
            };
            let other = {
                let inside = Arc::clone(&inside);
                spawn(&places, move |places| run(places, &inside))
            };
            run(&places, &inside);
            other.join().unwrap();
            for _ in 0..besides {
                places.leave();
            }
            assert_free(&places, 1 + besides);
        });
    }
}

/// Three who only come: as many come in as there are places.
#[test]
fn as_many_come_in_as_there_are_places() {
    for limit in [1, 2] {
        model_bounded(move || {
            let places = places(limit, 0);
            let others = [(); 2].map(|()| spawn(&places, Places::enters));
            let entered = usize::from(places.enters());
            let entered = others
                .into_iter()
                .fold(entered, |entered, other| entered + usize::from(other.join().unwrap()));
            assert_eq!((entered, places.figures().in_flight), (limit, limit));
        });
    }
}

/// Who comes in where one has left sees all that was done there: one place is as good as a lock.
#[test]
fn what_was_done_in_a_place_is_seen_in_it() {
    loom::model(|| {
        let places = places(1, 0);
        let work = Arc::new(Cell::new(0));
        let run = |places: &Places, work: &Cell<i32>| {
            let enters = places.enters();
            if enters {
                work.set(work.get() + 1);
                places.leave();
            }
            i32::from(enters)
        };
        let other = {
            let work = Arc::clone(&work);
            spawn(&places, move |places| run(places, &work))
        };
        let done = run(&places, &work) + other.join().unwrap();
        assert!(places.enters());
        assert_eq!(work.get(), done);
    });
}

/// As long as there is room all the time nobody is refused, by either way in, and nobody is made to
/// wait.
#[test]
fn nobody_is_refused_while_there_is_room() {
    model_bounded(|| {
        let places = places(2, 0);
        let other = spawn(&places, |places| {
            assert!(places.enters());
            places.leave();
            assert_eq!(places.enter_or_queue(0), Joined::Entered);
            places.leave();
        });
        for _ in 0..3 {
            assert!(places.enters());
            places.leave();
        }
        other.join().unwrap();
        assert_free(&places, 2);
    });
}

/// What is read while another comes and goes was so at one moment: no more are in than the limit.
///
/// The reader is the spawned thread, which loom lets run last at first: it tries a load before each
/// write that came before it, but not a write before a load of another thread where the writer has
/// loaded, too, in between.
#[test]
fn figures_are_of_one_moment() {
    loom::model(|| {
        let places = places(1, 0);
        let reads = spawn(&places, |places| {
            let figures = places.figures();
            assert!(figures.in_flight <= 1, "{figures:?}");
        });
        for _ in 0..2 {
            assert!(places.enters());
            places.leave();
        }
        reads.join().unwrap();
        assert_free(&places, 1);
    });
}
