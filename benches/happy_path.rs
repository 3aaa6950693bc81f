//! A call that goes well, through each layer and through all of them, beside tower's own.
//!
//! Every subject is built once, warm, and called through `poll_ready` and `call`. Only ratios of
//! one run are worth quoting.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{fallback::Failure, prelude::*};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceBuilder, limit::ConcurrencyLimitLayer};

/// The least a service can be.
///
/// The allocation tests have one like it. It is not shared by way of the testkit, which turns on
/// tokio's clock for tests: that one costs more to read.
#[derive(Clone)]
struct Adds;

impl Service<u64> for Adds {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        ready(Ok(n + 1))
    }
}

fn bench<S>(criterion: &mut Criterion, name: &str, mut service: S)
where
    S: Service<u64, Response = u64>,
{
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).now_or_never();
            assert!(matches!(ready, Some(Ok(()))));
            match service.call(black_box(1)).now_or_never() {
                Some(Ok(sum)) => assert_eq!(sum, 2),
                _ => panic!("a ready service answers at once"),
            }
        });
    });
}

fn happy_path(criterion: &mut Criterion) {
    // tower's timeout makes its timer whether or not it is needed, and a timer needs a runtime.
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let limit = Duration::from_secs(2);
    let timeout = || TimeoutLayer::new(limit).expect("valid");
    let retry = || JitteredRetryLayer::new(3).expect("valid");
    let bulkhead = || BulkheadLayer::new(64).expect("valid");
    let fallback = || {
        let zero = |_: &(), _: &Failure<'_>| 0_u64;
        FallbackLayer::builder().value("zero", zero).build().expect("valid")
    };
    bench(criterion, "bare service", Adds);
    bench(criterion, "buttress/timeout", timeout().layer(Adds));
    bench(criterion, "buttress/retry", retry().layer(Adds));
    bench(criterion, "buttress/breaker", BreakerLayer::new().layer(Adds));
    bench(criterion, "buttress/bulkhead", bulkhead().layer(Adds));
    bench(criterion, "buttress/fallback", fallback().layer(Adds));
    let chaos = || ChaosLayer::new(Faults::none()).expect("valid");
    bench(criterion, "buttress/chaos without faults", chaos().layer(Adds));
    bench(criterion, "buttress/chaos switched off", chaos().disabled().layer(Adds));
    let stack = ServiceBuilder::new()
        .layer(fallback())
        .layer(timeout())
        .layer(retry())
        .layer(BreakerLayer::new())
        .layer(bulkhead());
    bench(criterion, "buttress/all five", stack.service(Adds));
    bench(criterion, "tower/timeout", tower::timeout::TimeoutLayer::new(limit).layer(Adds));
    bench(criterion, "tower/concurrency limit", ConcurrencyLimitLayer::new(64).layer(Adds));
}

criterion_group!(benches, happy_path);
criterion_main!(benches);
