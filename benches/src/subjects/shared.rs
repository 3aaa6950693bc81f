//! What one breaker, bulkhead or retry budget gives one thread, and two.

use std::{fmt, hint::black_box, sync::Barrier, thread, time::Duration};

use buttress::prelude::*;
use tokio::{runtime::Handle, time::Instant};
use tower::{Layer, Service};

use crate::{
    call::answer,
    goals::NO_LAYER,
    inner::{Adds, reached},
    peers::{self, LIMIT, PLACES, ours},
    results::Who,
};

/// One that can be called by several threads at once.
pub struct Shared {
    /// The row of the table.
    pub row: &'static str,
    /// Whose it is.
    pub who: Who,
    /// How long it takes until each of so many threads has made so many calls, each on a clone of its own.
    pub time_of: Box<dyn Fn(usize, u64) -> Duration>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("row", &self.row)
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

/// All of them. The first, behind no layer, is what two threads can do on this machine at this time.
pub fn shared() -> Vec<Shared> {
    let mut all = vec![service(NO_LAYER, Who::Bare, Adds)];
    let row = "timeout, shared";
    all.push(service(row, Who::Buttress, ours::timeout(LIMIT, Adds)));
    all.push(service(row, Who::Tower, peers::tower::timeout(LIMIT, Adds)));
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::timeout(LIMIT, Adds);
        all.push(service(row, Who::TowerResilience, peer));
        all.push(service(row, Who::Seatbelt, peers::seatbelt::timeout(LIMIT, Adds)));
    }
    let row = "breaker, shared";
    all.push(service(row, Who::Buttress, ours::breaker(Adds)));
    #[cfg(feature = "peers")]
    {
        all.push(service(row, Who::TowerResilience, peers::tower_resilience::breaker(Adds)));
        all.push(service(row, Who::Seatbelt, peers::seatbelt::breaker(Adds)));
        all.push(subject(row, Who::Failsafe, peers::failsafe::breaker()));
        all.push(subject(row, Who::Recloser, peers::recloser::breaker()));
    }
    let window = ours::breaker_by_rate(Window::last_calls(100), Adds);
    all.push(service("breaker by calls, shared", Who::Buttress, window));
    let window = ours::breaker_by_rate(Window::last(Duration::from_secs(3600)), Adds);
    all.push(service("breaker by time, shared", Who::Buttress, window));
    let row = "bulkhead, shared";
    all.push(service(row, Who::Buttress, ours::bulkhead(PLACES, Adds)));
    all.push(service(row, Who::Tower, peers::tower::bulkhead(PLACES, Adds)));
    #[cfg(feature = "peers")]
    all.push(service(row, Who::TowerResilience, peers::tower_resilience::bulkhead(PLACES, Adds)));
    let waits = BulkheadLayer::builder().max_concurrent(PLACES).max_wait(LIMIT);
    let waits = waits.build().expect("valid").layer(Adds);
    all.push(service("bulkhead with a queue, shared", Who::Buttress, waits));
    let row = "retry budget, shared";
    all.push(service(row, Who::Buttress, ours::retry(Adds)));
    all.push(service(row, Who::Tower, peers::tower::retry(Adds)));
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::retry_with_budget(10.0, 100, Adds);
        all.push(service(row, Who::TowerResilience, peer));
    }
    let row = "five stacked, shared (tower three, seatbelt four)";
    all.push(service(row, Who::Buttress, ours::stacked(Adds)));
    all.push(service(row, Who::Tower, peers::tower::stacked(Adds)));
    #[cfg(feature = "peers")]
    {
        all.push(service(row, Who::TowerResilience, peers::tower_resilience::stacked(0, Adds)));
        all.push(service(row, Who::Seatbelt, peers::seatbelt::stacked(0, Adds)));
    }
    all
}

fn service<S>(row: &'static str, who: Who, mut service: S) -> Shared
where
    S: Service<u64, Response = u64> + Clone + Send + 'static,
{
    subject(row, who, move |n| answer(&mut service, n))
}

fn subject<F>(row: &'static str, who: Who, call: F) -> Shared
where
    F: FnMut(u64) -> Option<u64> + Clone + Send + 'static,
{
    Shared { row, who, time_of: Box::new(move |threads, calls| time_of(threads, calls, &call)) }
}

fn time_of<F>(threads: usize, calls: u64, call: &F) -> Duration
where
    F: FnMut(u64) -> Option<u64> + Clone + Send,
{
    let barrier = Barrier::new(threads);
    let runtime = Handle::current();
    let all = |mut call: F| {
        // Some make a timer for each call.
        let _entered = runtime.enter();
        barrier.wait();
        let before = reached();
        let start = Instant::now();
        for _ in 0..calls {
            assert_eq!(call(black_box(1)), Some(2));
        }
        let end = Instant::now();
        assert_eq!(reached() - before, calls, "the inner service did the work");
        (start, end)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let call = call.clone();
                scope.spawn(|| all(call))
            })
            .collect();
        let times = running.into_iter().map(|thread| thread.join().expect("no call panics"));
        let (starts, ends): (Vec<_>, Vec<_>) = times.unzip();
        let start = starts.into_iter().min().expect("a thread");
        ends.into_iter().max().expect("a thread") - start
    })
}
