//! A service that holds its callers to tower's contract.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use buttress_core::BoxError;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

/// What the probe answers to a call.
#[derive(Debug)]
pub enum Reply<Res> {
    /// This, at the first poll.
    Now(Result<Res, BoxError>),
    /// This, after the time has passed.
    After(Duration, Result<Res, BoxError>),
    /// Nothing, ever.
    Never,
    /// A panic, when the future is polled.
    Panic,
    /// A panic, in `call` itself.
    PanicInCall,
}

/// What the probe answers to `poll_ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Ready at once.
    Ready,
    /// Not ready until the handle says otherwise.
    Pending,
    /// Broken: an error.
    Broken,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: usize,
    completed: usize,
    dropped: usize,
    reserved: usize,
}

struct State {
    readiness: Readiness,
    wakers: Vec<Waker>,
    counts: Counts,
}

struct Shared<Req, Res> {
    reply: Box<dyn Fn(Req) -> Reply<Res> + Send + Sync>,
    state: Arc<Mutex<State>>,
}

/// A service that panics when it is called unready or on another clone.
///
/// A readiness that was claimed and is neither used nor dropped shows in
/// [`ProbeHandle::reserved`]; a future that was dropped before it completed in
/// [`ProbeHandle::dropped`].
pub struct Probe<Req, Res> {
    shared: Arc<Shared<Req, Res>>,
    ready: bool,
}

impl<Req, Res> Probe<Req, Res> {
    /// A probe that answers each call by `reply`, and its handle.
    pub fn new(reply: impl Fn(Req) -> Reply<Res> + Send + Sync + 'static) -> (Self, ProbeHandle) {
        let state = Arc::new(Mutex::new(State {
            readiness: Readiness::Ready,
            wakers: Vec::new(),
            counts: Counts::default(),
        }));
        let shared = Arc::new(Shared { reply: Box::new(reply), state: Arc::clone(&state) });
        (Self { shared, ready: false }, ProbeHandle { state })
    }
}

impl<Req, Res> Service<Req> for Probe<Req, Res> {
    type Response = Res;
    type Error = BoxError;
    type Future = ProbeFuture<Res>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut state = lock(&self.shared.state);
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        match state.readiness {
            Readiness::Ready => {
                self.ready = true;
                state.counts.reserved += 1;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                state.wakers.push(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Broken => Poll::Ready(Err("the probe is broken".into())),
        }
    }

    fn call(&mut self, request: Req) -> ProbeFuture<Res> {
        assert!(mem::take(&mut self.ready), "called an instance that was not ready");
        {
            let mut state = lock(&self.shared.state);
            state.counts.reserved -= 1;
            state.counts.calls += 1;
        }
        // Made first, so that a panic in `reply` or in `call` counts as a drop.
        let mut future =
            ProbeFuture { phase: Some(Phase::Never), state: Arc::clone(&self.shared.state) };
        future.phase = Some(match (self.shared.reply)(request) {
            Reply::Now(result) => Phase::Reply(result),
            Reply::After(delay, result) => Phase::Sleep(Box::pin(sleep(delay)), result),
            Reply::Never => Phase::Never,
            Reply::Panic => Phase::Panic,
            Reply::PanicInCall => panic!("the probe was told to panic in call"),
        });
        future
    }
}

// A clone has not been asked whether it is ready.
impl<Req, Res> Clone for Probe<Req, Res> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ready: false }
    }
}

impl<Req, Res> Drop for Probe<Req, Res> {
    fn drop(&mut self) {
        if self.ready {
            lock(&self.shared.state).counts.reserved -= 1;
        }
    }
}

impl<Req, Res> fmt::Debug for Probe<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("ready", &self.ready).finish_non_exhaustive()
    }
}

/// The future of a [`Probe`].
pub struct ProbeFuture<Res> {
    phase: Option<Phase<Res>>,
    state: Arc<Mutex<State>>,
}

enum Phase<Res> {
    Reply(Result<Res, BoxError>),
    Sleep(Pin<Box<Sleep>>, Result<Res, BoxError>),
    Never,
    Panic,
}

impl<Res> Unpin for ProbeFuture<Res> {}

impl<Res> Future for ProbeFuture<Res> {
    type Output = Result<Res, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.phase.as_mut().expect("polled after it completed") {
            Phase::Panic => panic!("the probe was told to panic"),
            Phase::Never => return Poll::Pending,
            Phase::Sleep(sleep, _) => ready!(sleep.as_mut().poll(cx)),
            Phase::Reply(_) => {}
        }
        let Some(Phase::Reply(result) | Phase::Sleep(_, result)) = self.phase.take() else {
            unreachable!("every other phase has returned");
        };
        lock(&self.state).counts.completed += 1;
        Poll::Ready(result)
    }
}

impl<Res> Drop for ProbeFuture<Res> {
    fn drop(&mut self) {
        if self.phase.is_some() {
            lock(&self.state).counts.dropped += 1;
        }
    }
}

impl<Res> fmt::Debug for ProbeFuture<Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeFuture").finish_non_exhaustive()
    }
}

/// What a test knows about a [`Probe`] and its clones, and how it steers them.
#[derive(Clone)]
pub struct ProbeHandle {
    state: Arc<Mutex<State>>,
}

impl ProbeHandle {
    /// How many calls were made.
    pub fn calls(&self) -> usize {
        lock(&self.state).counts.calls
    }

    /// How many calls gave their answer.
    pub fn completed(&self) -> usize {
        lock(&self.state).counts.completed
    }

    /// How many calls were dropped before they gave their answer.
    pub fn dropped(&self) -> usize {
        lock(&self.state).counts.dropped
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        let counts = lock(&self.state).counts;
        counts.calls - counts.completed - counts.dropped
    }

    /// How many instances were found ready and then neither called nor dropped.
    pub fn reserved(&self) -> usize {
        lock(&self.state).counts.reserved
    }

    /// Changes the answer to `poll_ready`, and wakes whoever waits for it.
    pub fn set_readiness(&self, readiness: Readiness) {
        let mut state = lock(&self.state);
        state.readiness = readiness;
        for waker in state.wakers.drain(..) {
            waker.wake();
        }
    }
}

impl fmt::Debug for ProbeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("ProbeHandle")
            .field("readiness", &state.readiness)
            .field("counts", &state.counts)
            .finish()
    }
}

// A test that panics while it holds the lock has failed already.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
