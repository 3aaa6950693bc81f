//! The places by themselves: against naive ones, under threads, in a storm, with wakers that misbehave.

mod history;
mod naive;
mod storm;
mod threads;
mod wakers;
mod wrap;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
    thread,
    time::Duration,
};

use super::*;

/// Counts how often it was woken.
#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// In flight and queued.
fn counted(places: &Places) -> (usize, usize) {
    let figures = places.figures();
    (figures.in_flight, figures.queued)
}

/// Nobody is in, nobody waits, nobody is remembered.
fn assert_empty(places: &Places) {
    let figures = places.figures();
    assert_eq!((figures.in_flight, figures.queued), (0, 0));
    assert_eq!(figures.came, figures.left);
    let line = places.line();
    assert!(line.is_empty());
    assert_eq!(line.size().0, 0);
}

/// `limit` places, all of them taken.
fn taken(limit: usize) -> Places {
    let places = Places::new(limit);
    for _ in 0..limit {
        assert!(places.enters());
    }
    places
}

/// One more in the queue.
fn queue(places: &Places) -> Waiter {
    match places.enter_or_queue(usize::MAX) {
        Joined::Queued(waiter) => waiter,
        other => panic!("{other:?}"),
    }
}

/// One more in the queue, who gave this waker.
fn queue_with(places: &Places, waker: &Waker) -> Waiter {
    let waiter = queue(places);
    assert!(!places.takes(waiter, waker));
    waiter
}

/// Runs what could wait for itself for ever, which then fails the test and does not hang it.
fn must_end(run: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        run();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(Duration::from_secs(30)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it waits for itself"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
    }
}

/// As long as nobody waits, to come in, to be refused and to leave wait for no lock.
#[test]
fn takes_no_lock_as_long_as_nobody_waits() {
    must_end(|| {
        let places = Places::new(1);
        let line = places.line();
        assert!(places.enters());
        assert!(!places.enters());
        assert_eq!(counted(&places), (1, 0));
        places.leave();
        drop(line);
        assert_empty(&places);
    });
}
