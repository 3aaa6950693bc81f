//! The bulkhead beside its peers: with room, full, and shared by two threads.
//!
//! Every subject stands in front of the same ready service and has the same number of places. tower's
//! limit refuses nothing by itself, so where it is full it has tower's load shedding around it.
//! tower-resilience refuses when a timer of no length fires, at the next tick of the runtime, and so
//! is not measured there. Only ratios of one run are worth quoting.

mod adds;
mod call;
mod threads;

use std::{
    future::{Pending, pending, poll_fn},
    hint::black_box,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;
use tower::{
    Layer, Service, ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer,
};
use tower_resilience_bulkhead::BulkheadLayer as PeerLayer;

use self::{
    adds::{Adds, Down},
    call::{end_of, over_tower},
    threads::shared,
};

/// More than the threads that call at once.
const PLACES: usize = 64;

/// A service that never answers, for a bulkhead that is full.
#[derive(Clone)]
struct Hangs;

impl Service<u64> for Hangs {
    type Response = u64;
    type Error = Down;
    type Future = Pending<Result<u64, Down>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _n: u64) -> Self::Future {
        pending()
    }
}

/// Gives each of ours to `$use`, by its name, with so many places, around this service.
macro_rules! ours {
    ($use:ident, $criterion:expr, $service:expr, $places:expr) => {
        let one = BulkheadLayer::new($places).expect("valid");
        $use($criterion, "buttress", one.layer($service));
        let named = BulkheadLayer::compartments(|_: &u64| "inventory")
            .compartment(("payment", $places))
            .compartment(("inventory", $places))
            .compartment(("email", $places));
        $use($criterion, "buttress, by name", named.build().expect("valid").layer($service));
        let keyed = BulkheadLayer::builder().max_concurrent($places).keyed(|_: &u64| 7_u32);
        $use($criterion, "buttress, by key", keyed.build().expect("valid").layer($service));
    };
}

fn tower_resilience() -> impl Service<u64, Response = u64> + Clone + Send {
    let layer = PeerLayer::builder().max_concurrent_calls(PLACES).reject_when_full();
    layer.build().expect("valid").layer(Adds)
}

/// tower's limit, as global as the others are.
fn tower<S>(
    service: S,
    places: usize,
) -> impl Service<u64, Response = u64, Error = Down, Future: Send> + Clone + Send
where
    S: Service<u64, Response = u64, Error = Down, Future: Send> + Clone + Send,
{
    ServiceBuilder::new().layer(GlobalConcurrencyLimitLayer::new(places)).service(service)
}

fn admitted<S>(criterion: &mut Criterion, name: &str, service: S)
where
    S: Service<u64, Response = u64> + Clone + Send,
{
    let mut call = over_tower(service);
    criterion.benchmark_group("admitted").bench_function(name, |bencher| {
        bencher.iter(|| assert_eq!(call(black_box(1)), Some(2)));
    });
}

/// Every place is taken by a call that never ends.
fn rejected<S>(criterion: &mut Criterion, name: &str, mut service: S)
where
    S: Service<u64, Response = u64> + Clone + Send,
{
    assert!(end_of(poll_fn(|cx| service.poll_ready(cx))).is_ok());
    let mut hangs = Box::pin(service.call(1));
    // Some take their place only when they are polled.
    assert!(hangs.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut call = over_tower(service);
    criterion.benchmark_group("rejected").bench_function(name, |bencher| {
        bencher.iter(|| assert_eq!(call(black_box(1)), None));
    });
}

fn by_threads<S>(criterion: &mut Criterion, name: &str, service: S)
where
    S: Service<u64, Response = u64> + Clone + Send,
{
    shared(criterion, name, over_tower(service));
}

fn bulkhead(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    ours!(admitted, criterion, Adds, PLACES);
    admitted(criterion, "tower-resilience", tower_resilience());
    admitted(criterion, "tower", tower(Adds, PLACES));
    let waits = BulkheadLayer::builder().max_concurrent(PLACES).max_wait(Duration::from_secs(1));
    admitted(criterion, "buttress, may wait", waits.build().expect("valid").layer(Adds));
    ours!(rejected, criterion, Hangs, 1);
    let sheds = ServiceBuilder::new().layer(LoadShedLayer::new()).service(tower(Hangs, 1));
    rejected(criterion, "tower, with load shedding", sheds);
    // What two threads can do on this machine at this time.
    by_threads(criterion, "no bulkhead", Adds);
    ours!(by_threads, criterion, Adds, PLACES);
    by_threads(criterion, "tower-resilience", tower_resilience());
    by_threads(criterion, "tower", tower(Adds, PLACES));
}

criterion_group!(benches, bulkhead);
criterion_main!(benches);
