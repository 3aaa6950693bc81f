//! The callers: an open-loop load, the same for both set-ups, with the hang and without.

use std::{ops::Range, time::Duration};

use buttress::prelude::BoxError;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tower::ServiceExt;

use crate::{
    dependency::Dependency,
    measure::{Call, Outcome},
    stack::{self, SetUp},
    upstream::Upstreams,
};

/// How long the calls to the hung dependency are waited for when all others have ended. Without a hang
/// they have ended as well, or do so in this time.
const GRACE: Duration = Duration::from_millis(250);

/// A call that is due at a moment, counted from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) at: Duration,
    pub(crate) dependency: Dependency,
}

/// The arrivals of a run, in order: a Poisson process for each dependency, for callers do not know of
/// each other.
pub(crate) fn schedule(seed: u64, run: Duration) -> Vec<Arrival> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut arrivals = Vec::new();
    for dependency in Dependency::ALL {
        let mut at = Duration::ZERO;
        loop {
            // Never the logarithm of zero: `random` is below one.
            let gap = -(1.0 - rng.random::<f64>()).ln() / dependency.per_second();
            at += Duration::from_secs_f64(gap);
            if at >= run {
                break;
            }
            arrivals.push(Arrival { at, dependency });
        }
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

/// When payment hangs in a run that has a hang: the last two thirds. The first is to warm up in.
pub(crate) fn hang(run: Duration) -> Range<Duration> {
    run / 3..run
}

/// One run: sends each request when it is due, whatever became of those before.
///
/// Ends when the calls to the neighbours have ended. The hang lasts until then, so that none is saved
/// by the end of the run; who still waits for payment then has waited in vain.
pub(crate) async fn drive(
    set_up: SetUp,
    hangs: bool,
    schedule: &[Arrival],
    run: Duration,
) -> Result<Vec<Call>, BoxError> {
    let upstreams = Upstreams::start().await?;
    let addresses = upstreams.addresses();
    let stack = set_up.stack()?;
    let (mut neighbours, mut payments) = (JoinSet::new(), JoinSet::new());
    let mut hangs_from = hangs.then_some(hang(run).start);
    let mut calls: Vec<Option<Call>> = vec![None; schedule.len()];

    let start = Instant::now();
    for (number, &Arrival { at, dependency }) in schedule.iter().enumerate() {
        if let Some(from) = hangs_from.take_if(|from| *from <= at) {
            sleep_until(start + from).await;
            upstreams.hang(Dependency::Payment)?;
        }
        let due = start + at;
        sleep_until(due).await;
        let request = stack::request(dependency, addresses[dependency as usize])?;
        let answer = stack.clone().oneshot(request);
        let call = async move {
            let outcome = Outcome::of(&answer.await);
            // From when it was due, not from when it was sent: a generator that is late must not make
            // the stack look fast.
            (number, Call { at, dependency, outcome, latency: due.elapsed() })
        };
        match dependency {
            Dependency::Payment => payments.spawn(call),
            Dependency::Inventory | Dependency::Email => neighbours.spawn(call),
        };
    }
    while let Some(ended) = neighbours.join_next().await {
        let (number, call) = ended?;
        calls[number] = Some(call);
    }
    let rest = async {
        while let Some(ended) = payments.join_next().await {
            let (number, call) = ended?;
            calls[number] = Some(call);
        }
        Ok::<_, BoxError>(())
    };
    // Too late is no error: what is missing then is counted below.
    timeout(GRACE, rest).await.unwrap_or(Ok(()))?;
    payments.shutdown().await;

    let elapsed = start.elapsed();
    let unanswered = |&Arrival { at, dependency }: &Arrival| {
        let latency = elapsed.saturating_sub(at);
        Call { at, dependency, outcome: Outcome::Failed, latency }
    };
    let calls = calls.into_iter().zip(schedule);
    Ok(calls.map(|(call, arrival)| call.unwrap_or_else(|| unanswered(arrival))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_secs(10);

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(schedule(1, RUN), schedule(1, RUN));
        assert_ne!(schedule(1, RUN), schedule(2, RUN));
    }

    #[test]
    fn arrivals_are_in_order_in_the_run_and_as_many_as_each_can_bear() {
        for seed in 0..20 {
            let schedule = schedule(seed, RUN);
            assert!(schedule.is_sorted_by_key(|arrival| arrival.at));
            assert!(schedule.iter().all(|arrival| arrival.at < RUN));
            for dependency in Dependency::ALL {
                let of = schedule.iter().filter(|arrival| arrival.dependency == dependency);
                let expected = dependency.per_second() * RUN.as_secs_f64();
                let off = (of.count() as f64 - expected).abs();
                assert!(off < 5.0 * expected.sqrt(), "five standard deviations: {off}");
            }
        }
    }
}
