//! Calls that are pending until a timer fires, many at once, so that the turn of the runtime that fires them all is
//! shared. The wait between is no cost.

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
    time::Instant,
};

/// What timers are rounded up by, and more.
const PAST: Duration = Duration::from_millis(5);

/// One with timers, which fire when [`run`] lets it turn.
pub(super) fn runtime() -> Rc<Runtime> {
    Rc::new(Builder::new_current_thread().enable_time().build().expect("a runtime"))
}

/// What it takes to begin so many calls, and to end them all once `limit` is over.
pub(super) fn run<F: Future>(
    runtime: &Runtime,
    limit: Duration,
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
    while started.elapsed() < limit + PAST {
        thread::park_timeout(limit + PAST);
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
