//! One subject under one thread and under two.

use std::{hint::black_box, sync::Barrier, thread, time::Duration};

use criterion::{Criterion, SamplingMode, Throughput};
use tokio::{runtime::Handle, time::Instant};

/// The calls of one thread in one round of many: threads that start together may share a core for
/// a while, until the system moves one away.
const CALLS: u64 = 100_000;

/// Measures the calls per second of one thread and of two, each on a clone of its own.
pub(crate) fn shared<F>(criterion: &mut Criterion, name: &str, call: F)
where
    F: FnMut(u64) -> Option<u64> + Clone + Send,
{
    let mut group = criterion.benchmark_group(format!("shared/{name}"));
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    for threads in [1, 2] {
        group.throughput(Throughput::Elements(CALLS * threads as u64));
        group.bench_function(format!("threads={threads}"), |bencher| {
            bencher.iter_custom(|rounds| time_of(threads, rounds * CALLS, &call));
        });
    }
}

/// How long it takes until each of the threads has made this many calls, each on a clone of its
/// own.
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
        let start = Instant::now();
        for _ in 0..calls {
            assert_eq!(call(black_box(1)), Some(2));
        }
        (start, Instant::now())
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
