//! Calls drawn at random, and what is seen of them.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, ReadyCall};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Instant, sleep, timeout},
};
use tower_service::Service;

use crate::{ProbeHandle, Readiness, Reply};

const STORIES: u64 = 24;
const CALLS: usize = 25;

/// What one call meets.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    readiness: Readiness,
    /// When the service is ready after all.
    ready_after: Option<Duration>,
    reply: u32,
    delay: Duration,
    /// How long its caller has; it may have passed.
    allowance: Option<Duration>,
    enforced: bool,
    patience: Duration,
    /// Whether the next call is made while this one goes on.
    left_alone: bool,
    /// What else there is to draw.
    pub(super) dice: [u32; 12],
}

/// Calls, one after the other and some at once.
#[derive(Clone)]
pub(super) struct Story {
    turns: Arc<[Turn]>,
    seen: Arc<Mutex<Vec<String>>>,
    /// When it began to be told.
    start: Arc<Mutex<Instant>>,
}

impl Turn {
    fn draw(rng: &mut StdRng) -> Self {
        let mut millis = |most: u64| Duration::from_millis(rng.random_range(0..most));
        let [delay, allowance, patience, ready_after] = [40, 60, 80, 30].map(&mut millis);
        let readiness = match rng.random_range(0..10) {
            0 => Readiness::Pending,
            1 => Readiness::Broken,
            _ => Readiness::Ready,
        };
        Self {
            readiness,
            ready_after: rng.random_bool(0.7).then_some(ready_after),
            reply: rng.random_range(0..12),
            delay,
            allowance: rng.random_bool(0.5).then_some(allowance),
            enforced: rng.random_bool(0.5),
            patience: patience + Duration::from_millis(1),
            left_alone: rng.random_bool(0.3),
            dice: std::array::from_fn(|_| rng.random()),
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.allowance.map(Deadline::after)
    }
}

impl Story {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..STORIES).map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let turns = (0..CALLS).map(|_| Turn::draw(&mut rng)).collect();
            Self { turns, seen: Arc::default(), start: Arc::new(Mutex::new(Instant::now())) }
        })
    }

    /// What the inner service replies to this call, after a note of what it sees.
    pub(super) fn reply<Res>(
        &self,
        n: u64,
        request: &str,
        answer: impl FnOnce(&Turn) -> Res,
    ) -> Reply<Res> {
        let turn = self.turn(n);
        let [ambient, enforced] = [Deadline::current(), Deadline::enforced()].map(|deadline| {
            deadline.map(|deadline| deadline.instant().saturating_duration_since(self.start()))
        });
        self.note(format!("{n} got {request}, due {ambient:?}, enforced {enforced:?}"));
        let error = || Err(format!("error of {n}").into());
        match turn.reply {
            0 => Reply::Never,
            1 => Reply::Panic,
            2 => Reply::PanicInCall,
            3 | 4 => Reply::Now(error()),
            5 => Reply::After(turn.delay, error()),
            6..=8 => Reply::After(turn.delay, Ok(answer(turn))),
            _ => Reply::Now(Ok(answer(turn))),
        }
    }

    /// Makes all calls, and tells what was seen of them.
    pub(super) async fn play<S, Req, Read>(
        &self,
        service: S,
        handle: &ProbeHandle,
        request: impl Fn(u64, &Turn) -> Req,
        read: Read,
    ) -> Vec<String>
    where
        S: Service<Req, Error = BoxError> + Clone + 'static,
        Req: 'static,
        Read: AsyncFn(S::Response) -> String + Clone + 'static,
    {
        let local = LocalSet::new();
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        local.run_until(self.tell(service, handle, request, read)).await;
        std::mem::take(&mut *self.seen())
    }

    async fn tell<S, Req, Read>(
        &self,
        service: S,
        handle: &ProbeHandle,
        request: impl Fn(u64, &Turn) -> Req,
        read: Read,
    ) where
        S: Service<Req, Error = BoxError> + Clone + 'static,
        Req: 'static,
        Read: AsyncFn(S::Response) -> String + Clone + 'static,
    {
        let mut going_on = Vec::new();
        for (n, turn) in (0..).zip(&*self.turns) {
            handle.set_readiness(turn.readiness);
            if let Some(after) = turn.ready_after {
                let handle = handle.clone();
                spawn_local(async move {
                    sleep(after).await;
                    handle.set_readiness(Readiness::Ready);
                });
            }
            let (request, deadline) = (request(n, turn), turn.deadline());
            let (mut service, read, story) = (service.clone(), read.clone(), self.clone());
            let enforced = turn.enforced;
            let call = async move {
                let call = ReadyCall::start(&mut service, request);
                let ended = match call.await {
                    Ok(answer) => read(answer).await,
                    Err(error) => format!("error: {error}"),
                };
                story.note(format!("{n} {ended} at {:?}", story.start().elapsed()));
            };
            let patience = turn.patience;
            let call = spawn_local(async move {
                let mut call = pin!(call);
                let polls = poll_fn(|cx| {
                    let under = if enforced { Deadline::enforce } else { Deadline::scope };
                    under(deadline, || call.as_mut().poll(cx))
                });
                timeout(patience, polls).await.is_ok()
            });
            if turn.left_alone {
                going_on.push((n, call));
            } else {
                self.end(n, call, handle).await;
            }
        }
        for (n, call) in going_on {
            self.end(n, call, handle).await;
        }
    }

    async fn end(&self, n: u64, call: JoinHandle<bool>, handle: &ProbeHandle) {
        let ended = call.await.map_err(|error| error.is_panic());
        self.note(format!("{n} ended {ended:?}: {handle:?}"));
    }

    pub(super) fn note(&self, what: String) {
        self.seen().push(what);
    }

    pub(super) fn turn(&self, n: u64) -> &Turn {
        &self.turns[usize::try_from(n).expect("a small number")]
    }

    fn start(&self) -> Instant {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Vec<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where two accounts of the same story part.
pub(super) fn first_difference(without: &[String], with: &[String]) -> Option<String> {
    let longest = without.len().max(with.len());
    let at = (0..longest).find(|&at| without.get(at) != with.get(at))?;
    Some(format!("without the layer: {:?}\nwith it: {:?}", without.get(at), with.get(at)))
}
