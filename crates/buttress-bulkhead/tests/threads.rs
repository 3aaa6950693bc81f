//! What holds under threads, whatever the moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use buttress_bulkhead::BulkheadLayer;
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{assert_ready, seeded, task};
use rand::RngExt;
use tower::{Layer, Service, service_fn};

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn both_bounds_are_exact_under_threads() {
    const LIMIT: usize = 2;
    const QUEUE: usize = 2;
    let layer = BulkheadLayer::builder()
        .max_concurrent(LIMIT)
        .max_queue(QUEUE)
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let (layer, inside) = (layer.clone(), Arc::clone(&inside));
            thread::spawn(move || {
                let handle = layer.handle();
                let mut rng = seeded(&format!("both_bounds_are_exact_under_threads {n}"));
                let mut service = layer.layer(service_fn(move |_: ()| {
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < LIMIT);
                    let guard = Leaving(Arc::clone(&inside));
                    async move {
                        tokio::task::yield_now().await;
                        drop(guard);
                        Ok::<_, BoxError>(())
                    }
                }));
                for _ in 0..500 {
                    let mut calls: Vec<_> = (0..3).map(|_| task::spawn(service.call(()))).collect();
                    assert!(handle.in_flight() <= LIMIT && handle.queued() <= QUEUE);
                    // Each is polled a little or not at all, and then dropped wherever it stands.
                    for call in &mut calls {
                        for _ in 0..rng.random_range(0..3) {
                            if call.poll().is_ready() {
                                break;
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (0, 0));
}

/// Places come and go meanwhile, but who is refused is told of a moment in which all were taken.
#[test]
fn who_is_refused_is_told_of_a_full_bulkhead() {
    let layer = BulkheadLayer::new(1).unwrap();
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, BoxError>(())));
            let refused = &refused;
            scope.spawn(move || {
                for _ in 0..50_000 {
                    let Err(error) = assert_ready!(task::spawn(service.call(())).poll()) else {
                        continue;
                    };
                    refused.fetch_add(1, Ordering::Relaxed);
                    let full = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
                    let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
                    assert_eq!(kind, &full);
                }
            });
        }
    });
    let snapshot = layer.handle().snapshot();
    assert_eq!(snapshot.rejected.full, refused.into_inner() as u64);
    assert_eq!(snapshot.admitted + snapshot.rejected.total(), 200_000);
}
