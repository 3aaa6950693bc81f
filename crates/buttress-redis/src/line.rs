//! The one connection: made when it is needed, and given up when it is of no use.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout},
};

use crate::{error::Trouble, places::Place};

/// From the beginning of an attempt that came to nothing to the next: a Redis that refuses everybody at
/// once is not to be kept busy with that.
const PAUSE: Duration = Duration::from_millis(50);

/// How old a connection is that is left because of what its server has become: the next may lead to the
/// same one.
const SETTLED: Duration = Duration::from_secs(1);

/// How long Redis may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) response: Duration,
}

/// Where the connection is kept that all share.
pub(crate) struct Lines {
    client: Client,
    limits: Limits,
    current: Mutex<Current>,
}

/// What whoever comes next finds.
enum Current {
    Nothing,
    Line(Arc<Line>),
    /// Nothing, and there is to be nothing until then, for this reason.
    Useless {
        until: Instant,
        why: Trouble,
    },
}

/// A connection, or the making of one.
struct Line {
    begun: Instant,
    made: watch::Receiver<Option<Result<MultiplexedConnection, Trouble>>>,
    answers: AtomicU64,
    broken: watch::Sender<bool>,
}

impl Lines {
    pub(crate) fn new(client: Client, limits: Limits) -> Self {
        Self { client, limits, current: Mutex::new(Current::Nothing) }
    }

    /// Asks Redis, in a task of its own, within both limits together.
    ///
    /// In a task, because whoever asked may leave: an answer that nobody waits for is still a sign of
    /// life, and its absence the only sign that the other side has vanished. Were it not waited for,
    /// callers who are less patient than the limits would use a dead connection for ever.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        command: Cmd,
        place: Place,
    ) -> Result<Value, Trouble> {
        let runtime = Handle::try_current().map_err(|_| Trouble::NoRuntime)?;
        let lines = Arc::clone(self);
        let asking = runtime.spawn(async move {
            let _place = place;
            lines.see_through(&command).await
        });
        asking.await.unwrap_or(Err(Trouble::Gone))
    }

    async fn see_through(&self, command: &Cmd) -> Result<Value, Trouble> {
        let mut left = self.limits.response;
        let line = self.line()?;
        if !line.is_open() {
            return self.ask_on(&line, command, &mut left).await;
        }
        match self.ask_on(&line, command, &mut left).await {
            // It was made some time ago, so that it broke says nothing about Redis now. Both
            // commands may be repeated. Nobody has waited for a connection yet, and what is left is
            // shared, so the bound stays what it is.
            Err(Trouble::Broken(_)) => self.ask_on(&self.line()?, command, &mut left).await,
            answer => answer,
        }
    }

    /// Asks on this line; what it takes is taken off what is `left`.
    async fn ask_on(
        &self,
        line: &Arc<Line>,
        command: &Cmd,
        left: &mut Duration,
    ) -> Result<Value, Trouble> {
        let mut connection = self.opened(line).await?;
        let (asked, answers) = (Instant::now(), line.answers.load(Ordering::Relaxed));
        let answer = timeout(*left, line.answer(connection.send_packed_command(command))).await;
        *left = left.saturating_sub(asked.elapsed());
        match answer {
            Ok(Ok(answer)) => {
                line.answers.fetch_add(1, Ordering::Relaxed);
                answer.extract_error().map_err(|error| {
                    let trouble = Trouble::refused(&error);
                    if is_no_master(&error) && line.begun.elapsed() >= SETTLED {
                        self.give_up(line, &trouble);
                    }
                    trouble
                })
            }
            Ok(Err(error)) => {
                let trouble = Trouble::broken(&error);
                self.give_up(line, &trouble);
                Err(trouble)
            }
            Err(_) => {
                // Others have got answers meanwhile: Redis is slow, or what was asked is large. A
                // new connection would not be faster.
                let trouble = Trouble::ResponseLimit(self.limits.response);
                if line.answers.load(Ordering::Relaxed) == answers {
                    self.give_up(line, &trouble);
                }
                Err(trouble)
            }
        }
    }

    /// The connection of this line, once it is made.
    async fn opened(&self, line: &Arc<Line>) -> Result<MultiplexedConnection, Trouble> {
        let limit = self.limits.connect;
        let mut made = line.made.clone();
        let opened = match timeout(limit, made.wait_for(Option::is_some)).await {
            Ok(Ok(made)) => made.clone().unwrap_or(Err(Trouble::Gone)),
            Ok(Err(_)) => Err(Trouble::Gone),
            // The task that makes it has the same limit; but its runtime may not be running.
            Err(_) => Err(Trouble::ConnectLimit(limit)),
        };
        opened.inspect_err(|trouble| self.give_up(line, trouble))
    }

    /// The line that is there, or a new one, if it is time for one.
    fn line(&self) -> Result<Arc<Line>, Trouble> {
        let mut current = self.current();
        match &*current {
            Current::Line(line) => return Ok(Arc::clone(line)),
            Current::Useless { until, why } if Instant::now() < *until => return Err(why.clone()),
            Current::Useless { .. } | Current::Nothing => (),
        }
        let line = Arc::new(self.dial());
        *current = Current::Line(Arc::clone(&line));
        Ok(line)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to make a connection, in a task of its own: it does not end with whoever asked for it.
    fn dial(&self) -> Line {
        let (client, limit) = (self.client.clone(), self.limits.connect);
        let (tell, made) = watch::channel(None);
        tokio::spawn(async move {
            // The limits are ours: of those of the crate it is not said what they include.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(None);
            let making = client.get_multiplexed_async_connection_with_config(&config);
            let outcome = match timeout(limit, making).await {
                Ok(Ok(connection)) => Ok(connection),
                Ok(Err(error)) => Err(Trouble::not_connected(&error)),
                Err(_) => Err(Trouble::ConnectLimit(limit)),
            };
            tell.send_replace(Some(outcome));
        });
        let (answers, broken) = (AtomicU64::new(0), watch::Sender::new(false));
        Line { begun: Instant::now(), made, answers, broken }
    }

    /// Lets whoever comes next make another. The connection is closed when the last who waits for
    /// an answer on it has gone.
    fn give_up(&self, line: &Arc<Line>, why: &Trouble) {
        if matches!(why, Trouble::Broken(_)) {
            line.broken.send_replace(true);
        }
        let mut current = self.current();
        if matches!(&*current, Current::Line(current) if Arc::ptr_eq(current, line)) {
            *current = line.remains(why);
        }
    }
}

/// Whether the server says that it is not, or no longer, the one to ask. On `LOADING` it says that it
/// will be, and should not be kept from it.
fn is_no_master(error: &RedisError) -> bool {
    use ServerErrorKind::{MasterDown, ReadOnly};
    matches!(error.kind(), ErrorKind::Server(ReadOnly | MasterDown))
}

impl Line {
    fn is_open(&self) -> bool {
        matches!(*self.made.borrow(), Some(Ok(_)))
    }

    /// What comes of this question, or that another has found the connection broken.
    ///
    /// What is handed to the client in the very moment in which the connection breaks may get lost on
    /// the way, and then the client never answers.
    async fn answer(&self, asking: impl Future<Output = RedisResult<Value>>) -> RedisResult<Value> {
        let mut broken = self.broken.subscribe();
        let (mut asking, mut broken) = (pin!(asking), pin!(broken.wait_for(|broken| *broken)));
        let broke = || io::Error::from(io::ErrorKind::BrokenPipe).into();
        poll_fn(|context| match asking.as_mut().poll(context) {
            Poll::Pending => broken.as_mut().poll(context).map(|_| Err(broke())),
            answered @ Poll::Ready(_) => answered,
        })
        .await
    }

    /// What there is once it is given up for this reason.
    fn remains(&self, why: &Trouble) -> Current {
        if self.answers.load(Ordering::Relaxed) > 0 {
            return Current::Nothing;
        }
        Current::Useless { until: self.begun + PAUSE, why: why.clone() }
    }
}

/// Without the client, which knows the password.
impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn lines() -> Lines {
        let limits = Limits { connect: Duration::MAX, response: Duration::MAX };
        Lines::new(Client::open("redis://localhost").unwrap(), limits)
    }

    #[tokio::test]
    async fn whoever_finds_a_connection_broken_tells_all_who_wait_for_it() {
        let lines = lines();
        let line = lines.line().unwrap();
        let waiting = async {
            let mut waiting = pin!(line.answer(pending()));
            let early = timeout(Duration::ZERO, &mut waiting).await;
            assert!(early.is_err(), "{early:?}");
            lines.give_up(&line, &Trouble::ResponseLimit(Duration::MAX));
            let slow = timeout(Duration::ZERO, &mut waiting).await;
            assert!(slow.is_err(), "{slow:?}");
            lines.give_up(&line, &Trouble::Broken("it broke".into()));
            waiting.await.unwrap_err()
        };
        let error = timeout(Duration::from_secs(5), waiting).await.expect("it is told");
        assert!(error.is_connection_dropped(), "{error}");
        assert_eq!(line.answer(ready(Ok(Value::Okay))).await.unwrap(), Value::Okay, "it came");
    }

    #[tokio::test]
    async fn whoever_is_late_gives_up_no_connection_but_its_own() {
        let lines = lines();
        let is_current = |line| Arc::ptr_eq(line, &lines.line().unwrap());
        let first = lines.line().unwrap();
        assert!(is_current(&first), "all share it");
        // Nor does anybody wait for the next.
        first.answers.store(1, Ordering::Relaxed);
        lines.give_up(&first, &Trouble::Gone);
        let second = lines.line().unwrap();
        assert!(!is_current(&first));
        lines.give_up(&first, &Trouble::Gone);
        assert!(is_current(&second), "it is not the one that was of no use");
    }
}
