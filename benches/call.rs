//! How the subjects are called.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use tower::Service;

/// Calls as a caller of a tower service does.
pub(crate) fn over_tower<S>(mut service: S) -> impl FnMut(u64) -> Option<u64> + Clone + Send
where
    S: Service<u64, Response = u64> + Clone + Send,
{
    move |n| {
        assert!(end_of(poll_fn(|cx| service.poll_ready(cx))).is_ok());
        end_of(service.call(n)).ok()
    }
}

/// Polls until the end, which is at once unless somebody waits for a lock: tower-resilience's is
/// asynchronous, and may be held by a thread that this one keeps from running.
pub(crate) fn end_of<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
}
