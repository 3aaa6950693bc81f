//! The server, and the network before it: simulated by arithmetic, at no cost but that of a timer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tower::{Service, service_fn};

use crate::model::Model;

/// One worker with one endless queue, first come, first served. It does not know which of the
/// requests in it were abandoned by their callers, and works on them as well.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    queue: Arc<Mutex<Queue>>,
    start: Instant,
}

#[derive(Debug)]
struct Queue {
    model: Model,
    /// When the worker will have done what it was given so far.
    free: Duration,
    /// How many requests were sent in each second.
    sent: Vec<u32>,
}

impl Server {
    /// A server that has nothing to do; its moments count from `start`.
    pub(crate) fn new(model: &Model, start: Instant) -> Self {
        let queue = Queue { model: model.clone(), free: Duration::ZERO, sent: Vec::new() };
        Self { queue: Arc::new(Mutex::new(queue)), start }
    }

    /// The server as a client sees it.
    pub(crate) fn client(
        &self,
    ) -> impl Service<(), Response = (), Error = Infallible, Future: Send> + Clone + Send + Sync + use<>
    {
        let server = self.clone();
        service_fn(move |()| {
            let finish = server.with(|queue| queue.send(server.start.elapsed()));
            let answer = sleep_until(server.start + finish);
            async move {
                answer.await;
                Ok(())
            }
        })
    }

    /// How many requests were sent in each second.
    pub(crate) fn sent(&self) -> Vec<u32> {
        self.with(|queue| queue.sent.clone())
    }

    fn with<R>(&self, look: impl FnOnce(&mut Queue) -> R) -> R {
        look(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Queue {
    /// Sends a request now; gives the moment of the answer.
    fn send(&mut self, now: Duration) -> Duration {
        let second = usize::try_from(now.as_secs()).expect("a run is short");
        if self.sent.len() <= second {
            self.sent.resize(second + 1, 0);
        }
        self.sent[second] += 1;

        let Model { outage, work, .. } = &self.model;
        let arrival = if outage.contains(&now) { outage.end } else { now };
        self.free = self.free.max(arrival) + *work;
        self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn queue() -> Queue {
        let model = Model { work: 4 * MS, ..Model::published() };
        Queue { model, free: Duration::ZERO, sent: Vec::new() }
    }

    #[test]
    fn requests_wait_for_those_before_them() {
        let mut queue = queue();
        assert_eq!(queue.send(10 * MS), 14 * MS);
        assert_eq!(queue.send(11 * MS), 18 * MS, "the worker was busy");
        assert_eq!(queue.send(11 * MS), 22 * MS);
        assert_eq!(queue.send(30 * MS), 34 * MS, "the worker was idle");
    }

    #[test]
    fn what_the_network_holds_comes_all_at_once() {
        let mut queue = queue();
        assert_eq!(queue.send(59_999 * MS), 60_003 * MS, "just before the outage");
        assert_eq!(queue.send(60_000 * MS), 70_004 * MS);
        assert_eq!(queue.send(69_999 * MS), 70_008 * MS);
        assert_eq!(queue.send(70_000 * MS), 70_012 * MS, "after those that were held");
    }

    #[test]
    fn requests_are_counted_in_the_second_in_which_they_are_sent() {
        let mut queue = queue();
        for ms in [0, 999, 1000, 3500] {
            queue.send(ms * MS);
        }
        assert_eq!(queue.sent, [2, 1, 0, 1]);
    }

    /// A caller who leaves takes no work away.
    #[tokio::test(start_paused = true)]
    async fn abandoned_requests_are_worked_on() {
        let start = Instant::now();
        let model = Model { work: 400 * MS, ..Model::published() };
        let mut client = Server::new(&model, start).client();
        drop(client.call(()));
        client.call(()).await.unwrap();
        assert_eq!(start.elapsed(), 800 * MS);
    }
}
