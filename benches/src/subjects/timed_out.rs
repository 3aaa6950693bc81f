//! Calls that hang until their time is up: what it takes to begin one, to have its timer fire and to end it. The
//! wait between is no cost.
//!
//! Many at once, so that the turn of the runtime that fires them all is shared. Each is in a box, which is among
//! what is allocated, and stands in the column of the bare service, where there is a timer and nothing else.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};
use tower::Service;

use crate::{
    inner::{Hangs, reached},
    peers::{self, ours},
    results::Who,
    subject::Subjects,
};

/// Longer than it takes to begin all of them.
const LIMIT: Duration = Duration::from_millis(50);

/// What timers are rounded up by, and more.
const PAST: Duration = Duration::from_millis(5);

const AT_ONCE: u64 = 10_000;

const ROW: &str = "timed out, 10,000 at once";

pub(super) fn add(to: &mut Subjects) {
    let runtime = Rc::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let of_its_own = Rc::clone(&runtime);
    to.add_batches(ROW, Who::Bare, AT_ONCE, move |calls| {
        run(&of_its_own, calls, || sleep(LIMIT), |()| {})
    });
    add_service(to, Who::Buttress, &runtime, ours::timeout(LIMIT, Hangs));
    add_service(to, Who::Tower, &runtime, peers::tower::timeout(LIMIT, Hangs));
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::timeout(LIMIT, Hangs);
        add_service(to, Who::TowerResilience, &runtime, peer);
        let _its_clock_is_driven_by_this = runtime.enter();
        add_service(to, Who::Seatbelt, &runtime, peers::seatbelt::timeout(LIMIT, Hangs));
    }
}

fn add_service<S>(to: &mut Subjects, who: Who, runtime: &Rc<Runtime>, mut service: S)
where
    S: Service<u64, Response = u64> + 'static,
{
    let runtime = Rc::clone(runtime);
    to.add_batches(ROW, who, AT_ONCE, move |calls| {
        let before = reached();
        let begin = || {
            let mut context = Context::from_waker(Waker::noop());
            assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
            service.call(1)
        };
        let took = run(&runtime, calls, begin, |result| assert!(result.is_err(), "it hangs"));
        assert_eq!(reached() - before, calls, "each was begun");
        took
    });
}

fn run<F: Future>(
    runtime: &Runtime,
    calls: u64,
    mut call: impl FnMut() -> F,
    mut check: impl FnMut(F::Output),
) -> Duration {
    let _entered = runtime.enter();
    let mut context = Context::from_waker(Waker::noop());
    let mut hanging: Vec<Pin<Box<F>>> = Vec::new();
    hanging.reserve_exact(usize::try_from(calls).expect("it fits"));
    let start = Instant::now();
    for _ in 0..calls {
        let mut hangs = Box::pin(call());
        assert!(hangs.as_mut().poll(&mut context).is_pending(), "it hangs");
        hanging.push(hangs);
    }
    let started = Instant::now();
    while started.elapsed() < LIMIT + PAST {
        thread::park_timeout(LIMIT);
    }
    let over = Instant::now();
    turn(runtime);
    for mut hung in hanging.drain(..) {
        match hung.as_mut().poll(&mut context) {
            Poll::Ready(output) => check(output),
            Poll::Pending => panic!("its time is up"),
        }
    }
    (started - start) + over.elapsed()
}

/// Fires what is due: a task that is woken at once has the runtime look at its timers.
fn turn(runtime: &Runtime) {
    let mut turned = false;
    runtime.block_on(poll_fn(|cx| {
        if turned {
            return Poll::Ready(());
        }
        turned = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
}
