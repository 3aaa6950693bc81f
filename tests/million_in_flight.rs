//! A million calls in flight, each with a timer of its own.

use std::{
    fs,
    future::Future,
    io::{self, Write as _},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress::prelude::*;
use tokio::{runtime::Builder, task::JoinSet, time::Instant};
use tower::{Layer, Service, ServiceExt};

/// Never answers, and counts how often it is asked.
#[derive(Clone, Default)]
struct Hangs {
    polls: Arc<AtomicUsize>,
}

impl Service<Duration> for Hangs {
    type Response = ();
    type Error = BoxError;
    type Future = Self;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _limit: Duration) -> Self {
        self.clone()
    }
}

impl Future for Hangs {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Pending
    }
}

/// The time that this thread has spent on a processor, whatever else the machine does meanwhile;
/// none where the system does not tell.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// Puts `calls` in flight with limits spread over ten seconds, lets all of them end, and gives the
/// processor time of it.
fn all_end_at_their_limit(calls: u64) -> Option<Duration> {
    let before = processor_time();
    let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    rt.block_on(async {
        let hangs = Hangs::default();
        let layer = TimeoutLayer::builder().per_request(|limit: &Duration| Some(*limit));
        let service = layer.build().unwrap().layer(hangs.clone());
        let start = Instant::now();
        let mut in_flight = JoinSet::new();
        for call in 0..calls {
            let limit = Duration::from_millis(1 + call.wrapping_mul(7_919) % 10_000);
            let call = service.clone().oneshot(limit);
            in_flight.spawn(async move { (limit, call.await.is_err(), start.elapsed()) });
        }
        let mut ended = 0;
        while let Some(call) = in_flight.join_next().await {
            let (limit, cut, at) = call.unwrap();
            assert!(cut);
            assert_eq!(at, limit, "cut at its limit, not earlier nor later");
            ended += 1;
        }
        assert_eq!(ended, calls);
        let polls = hangs.polls.load(Ordering::Relaxed) as u64;
        assert_eq!(
            polls,
            2 * calls,
            "asked when it began and when its time was up, and never between"
        );
    });
    processor_time()?.checked_sub(before?).filter(|spent| !spent.is_zero())
}

#[test]
fn a_million_timers_end_and_cost_each_as_much_as_one_of_few() {
    let few = all_end_at_their_limit(100_000);
    let many = all_end_at_their_limit(1_000_000);
    let (Some(few), Some(many)) = (few, many) else {
        // Not by `eprintln`, which the harness keeps to itself when a test passes.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED the growth of the cost: the system does not tell a thread's time"
        );
        return;
    };
    let growth = many.as_secs_f64() / few.as_secs_f64();
    eprintln!("100,000 calls: {few:.1?}; 1,000,000 calls: {many:.1?}; {growth:.1} times");
    // Linear is 10, and what the caches miss; quadratic is 100.
    assert!(growth < 40.0, "{growth}");
}
