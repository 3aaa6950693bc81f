//! Every interleaving of a few who come, wait, leave and change the limit.

mod enter;
mod limit;
mod wait;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use loom::{sync::Arc, thread};

use super::*;

/// For what has too many steps to try every interleaving: those in which a thread is put to sleep
/// at most three times.
fn model_bounded(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn new() -> (std::sync::Arc<Self>, Waker) {
        let bell = std::sync::Arc::new(Self::default());
        (std::sync::Arc::clone(&bell), Waker::from(bell))
    }

    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// `limit` places, so many of them taken.
fn places(limit: usize, taken: usize) -> Arc<Places> {
    let places = Arc::new(Places::new(limit));
    for _ in 0..taken {
        assert!(places.enters());
    }
    places
}

fn spawn<T: 'static>(
    places: &Arc<Places>,
    run: impl FnOnce(&Places) -> T + 'static,
) -> thread::JoinHandle<T> {
    let places = Arc::clone(places);
    thread::spawn(move || run(&places))
}

/// One more in the queue, who gave his waker.
fn queue(places: &Places) -> (Waiter, std::sync::Arc<Bell>) {
    let Joined::Queued(waiter) = places.enter_or_queue(usize::MAX) else { panic!("it is full") };
    let (bell, waker) = Bell::new();
    assert!(!places.takes(waiter, &waker));
    (waiter, bell)
}

fn is_served(places: &Places, waiter: Waiter) -> bool {
    places.takes(waiter, Waker::noop())
}

/// Everyone has gone: the limit is free, and no more than that.
fn assert_free(places: &Places, limit: usize) {
    let figures = places.figures();
    assert_eq!((figures.limit, figures.in_flight, figures.queued), (limit, 0, 0));
    assert_eq!(figures.came, figures.left);
    for _ in 0..limit {
        assert!(places.enters());
    }
    assert!(!places.enters());
}
