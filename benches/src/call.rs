//! How the subjects are called.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use tower::Service;

/// Polls in a row that a thread spends on a future before it lets another run.
const PATIENCE: u32 = 4;

/// Calls as a caller of a tower service does, by `poll_ready` and `call`.
pub fn answer<S, Req>(service: &mut S, request: Req) -> Option<S::Response>
where
    S: Service<Req>,
{
    assert!(end_of(poll_fn(|cx| service.poll_ready(cx))).is_ok(), "the inner service is ready");
    end_of(service.call(request)).ok()
}

/// Polls until the end, which comes soon: after one wake-up, or when a lock is free.
/// tower-resilience's are asynchronous, and may be held by a thread that this one keeps from running.
pub fn end_of<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for poll in 1_u32.. {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if poll >= PATIENCE {
            thread::yield_now();
        }
    }
    unreachable!("no future of these is polled four billion times")
}
