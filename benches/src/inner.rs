//! The services behind the layers, and the counter that tells whether they were reached.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    future::{Future, Pending, Ready, pending, ready},
    pin::Pin,
    task::{Context, Poll},
};

use tower::Service;

/// The request that fails.
pub const FAILS: u64 = 0;

thread_local! {
    // One for each thread, so that counting is no contention between them.
    static REACHED: Cell<u64> = const { Cell::new(0) };
}

/// How often a service of this file has done its work on this thread.
pub fn reached() -> u64 {
    REACHED.get()
}

pub(crate) fn reach() {
    REACHED.set(REACHED.get() + 1);
}

/// What every layer of ours and of the peers can be put around: what the most demanding of them asks.
pub trait Inner<Req>:
    Service<Req, Response: Clone + Send + Sync + 'static, Error = Down, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<Req, S> Inner<Req> for S where
    S: Service<Req, Response: Clone + Send + Sync + 'static, Error = Down, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The one error there is.
#[derive(Debug, Clone)]
pub struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("down")
    }
}

impl Error for Down {}

/// The least a service can be that can also fail.
///
/// One that can not lets the compiler leave out what judges errors.
#[derive(Debug, Clone)]
pub struct Adds;

impl Service<u64> for Adds {
    type Response = u64;
    type Error = Down;
    type Future = Ready<Result<u64, Down>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        reach();
        ready(if n == FAILS { Err(Down) } else { Ok(n + 1) })
    }
}

/// Answers as [`Adds`] does, but wakes its task once before.
#[derive(Debug, Clone)]
pub struct WakesOnce;

/// The future of [`WakesOnce`].
#[derive(Debug)]
pub struct Woken {
    n: u64,
    woken: bool,
}

impl Service<u64> for WakesOnce {
    type Response = u64;
    type Error = Down;
    type Future = Woken;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Woken {
        Woken { n, woken: false }
    }
}

impl Future for Woken {
    type Output = Result<u64, Down>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.woken {
            reach();
            return Poll::Ready(Ok(self.n + 1));
        }
        self.woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Never answers.
#[derive(Debug, Clone)]
pub struct Hangs;

impl Service<u64> for Hangs {
    type Response = u64;
    type Error = Down;
    type Future = Pending<Result<u64, Down>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _n: u64) -> Self::Future {
        reach();
        pending()
    }
}

/// One whose future is eight bytes, to see what the layers add to them.
#[derive(Debug, Clone)]
pub struct EightBytes;

/// The future of [`EightBytes`].
#[derive(Debug)]
pub struct Eight(u64);

impl Service<u64> for EightBytes {
    type Response = u64;
    type Error = Down;
    type Future = Eight;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Eight {
        Eight(n)
    }
}

impl Future for Eight {
    type Output = Result<u64, Down>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(self.0 + 1))
    }
}

thread_local! {
    static OPEN: Cell<bool> = const { Cell::new(false) };
}

/// Lets all calls of [`Gate`] on this thread end, or none.
pub fn open_gate(open: bool) {
    OPEN.set(open);
}

/// Answers when it is let, and wakes nobody for it: whoever holds its calls knows.
#[derive(Debug, Clone)]
pub struct Gate;

/// The future of [`Gate`].
#[derive(Debug)]
pub struct Held(u64);

impl Service<u64> for Gate {
    type Response = u64;
    type Error = Down;
    type Future = Held;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Held {
        Held(n)
    }
}

impl Future for Held {
    type Output = Result<u64, Down>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !OPEN.get() {
            return Poll::Pending;
        }
        reach();
        Poll::Ready(Ok(self.0 + 1))
    }
}
