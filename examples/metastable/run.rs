//! A run: all the calls of ten minutes, in a few seconds.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use buttress::prelude::BoxError;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::ServiceExt;

use crate::{
    defence::{Client, Defence},
    model::Model,
    server::Server,
    timeline::Timeline,
};

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) defence: Defence,
    pub(crate) seed: u64,
}

/// Makes these runs, as many at a time as there are processors; gives what came of them, in the
/// same order.
pub(crate) fn all(runs: &[Run], model: &Model) -> Result<Vec<Timeline>, BoxError> {
    let left = Mutex::new(runs.iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            // In a statement of its own, so that the lock is not held while the run is made.
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((n, run)) = next else { return Ok::<_, BoxError>(done) };
            done.push((n, run.make(model)?));
        }
    };
    let mut done = Vec::new();
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            done.extend(thread.join().expect("no run panics")?);
        }
        Ok::<_, BoxError>(())
    })?;
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, timeline)| timeline).collect())
}

impl Run {
    /// Makes the run, on a runtime of its own whose clock jumps from one event to the next.
    fn make(self, model: &Model) -> Result<Timeline, BoxError> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(async {
            let start = Instant::now();
            let server = Server::new(model, start);
            let client = self.defence.around(server.client(), model.patience, self.seed)?;
            let mut timeline = drive(&client, &model.arrivals(self.seed), model.run, start).await?;
            timeline.sent(&server.sent());
            Ok(timeline)
        })
    }
}

/// Makes each call when it is due, whatever became of those before, and waits for all of them.
async fn drive(
    client: &Client,
    arrivals: &[Duration],
    run: Duration,
    start: Instant,
) -> Result<Timeline, BoxError> {
    let mut timeline = Timeline::new(run);
    let mut calls = JoinSet::new();
    for &at in arrivals {
        sleep_until(start + at).await;
        let call = client.clone().oneshot(());
        calls.spawn(async move { (at, call.await.is_ok()) });
        // Those that have ended would otherwise be kept until the end of the run.
        while let Some(ended) = calls.try_join_next() {
            let (made, answered) = ended?;
            timeline.ended(made, answered);
        }
    }
    while let Some(ended) = calls.join_next().await {
        let (made, answered) = ended?;
        timeline.ended(made, answered);
    }
    Ok(timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tenth of the load on a server that can do a tenth, for two minutes.
    fn small() -> Model {
        Model {
            per_second: 28.0,
            run: Duration::from_secs(120),
            outage: Duration::from_secs(20)..Duration::from_secs(30),
            work: Duration::from_secs(1) / 30,
            ..Model::published()
        }
    }

    fn run(defence: Defence, seed: u64) -> Run {
        Run { defence, seed }
    }

    #[test]
    fn plain_retry_stays_stuck_and_a_breaker_frees_it() {
        let model = small();
        let plain = run(Defence::PlainRetry, 1).make(&model).unwrap();
        assert_eq!(plain.recovered_after(model.outage.end), None);
        assert!(plain.answered_at_the_end() < 1.0, "{}", plain.answered_at_the_end());
        assert!(plain.sent_at_the_end() > 1.9 * model.per_second, "{}", plain.sent_at_the_end());
        let breaker = run(Defence::BudgetAndBreaker, 1).make(&model).unwrap();
        let recovered = breaker.recovered_after(model.outage.end);
        assert!(recovered.is_some_and(|after| after <= 10), "{recovered:?}");
    }

    #[test]
    fn runs_are_repeatable_and_in_the_order_asked_for() {
        let model = Model { run: Duration::from_secs(40), ..small() };
        let runs = [
            run(Defence::WholeStack, 2),
            run(Defence::PlainRetry, 1),
            run(Defence::WholeStack, 1),
            run(Defence::WholeStack, 2),
        ];
        let once = all(&runs, &model).unwrap();
        let again: Vec<_> = runs.iter().map(|run| run.make(&model).unwrap()).collect();
        assert_eq!(once, again);
        assert_eq!(once[0], once[3]);
        assert_ne!(once[0], once[2], "the seed plays a part");
        assert_ne!(once[1], once[2], "the defence plays a part");
    }
}
