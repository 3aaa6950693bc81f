//! How the subjects are called.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    thread,
};

use tower::Service;

/// Polls in a row that a thread spends on a future before it lets another run.
const PATIENCE: u32 = 4;

/// Calls as a caller of a tower service does, by `poll_ready` and `call`.
///
/// The future stays where `call` puts it: to move it is no part of the call, and costs most where it is no box.
#[inline]
pub fn answer<S, Req>(service: &mut S, request: Req) -> Option<S::Response>
where
    S: Service<Req>,
{
    make_ready(service);
    end_of(pin!(service.call(request))).ok()
}

/// All of the inner services are ready at once.
#[inline]
pub fn make_ready<S: Service<Req>, Req>(service: &mut S) {
    let mut polls = 1;
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match service.poll_ready(&mut context) {
            Poll::Ready(ready) => return assert!(ready.is_ok(), "no inner service is broken"),
            Poll::Pending => wait(&mut polls),
        }
    }
}

/// Polls until the end, which comes soon: after one wake-up, or when a lock is free.
/// tower-resilience's are asynchronous, and may be held by a thread that this one keeps from running.
#[inline]
pub fn end_of<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let mut polls = 1;
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => wait(&mut polls),
        }
    }
}

#[inline]
fn wait(polls: &mut u32) {
    if *polls >= PATIENCE {
        thread::yield_now();
    }
    *polls += 1;
}
