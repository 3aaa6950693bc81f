//! The laws of the bulkhead layer, as properties over a paused clock and as scripts.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer};
use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply, assert_pending, assert_ready, task};
use proptest::{collection::vec, option, prelude::*};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

/// What the call ends with; one that never ends fails the test and does not hang it.
async fn end<T>(call: impl Future<Output = T>) -> T {
    timeout(60 * SECOND, call).await.expect("it ends")
}

fn assert_empty(handle: &BulkheadHandle) {
    assert_eq!((handle.in_flight(), handle.queued()), (0, 0));
}

/// One call of a random schedule, its times in milliseconds.
#[derive(Debug, Clone)]
struct Arrival {
    gap: u64,
    takes: u64,
    ends: Ends,
    // The caller hangs up after this.
    patience: Option<u64>,
    deadline: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Ends {
    Answer,
    Error,
    Panic,
    PanicInCall,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let ends = prop_oneof![
        3 => Just(Ends::Answer),
        1 => Just(Ends::Error),
        1 => Just(Ends::Panic),
        1 => Just(Ends::PanicInCall),
    ];
    let arrival = (0..4_u64, 0..15_u64, ends, option::of(0..15_u64), option::of(0..15_u64))
        .prop_map(|(gap, takes, ends, patience, deadline)| Arrival {
            gap,
            takes,
            ends,
            patience,
            deadline,
        });
    vec(arrival, 1..25)
}

proptest! {
    /// Whatever calls come, and however they end: at every instant no more are in flight than
    /// the limit, nobody is refused while there is room, nobody waits longer than allowed, and
    /// at the end everything has come back.
    #[test]
    fn never_more_than_the_limit_and_everything_comes_back(
        limit in 1..4_usize,
        max_queue in 1..4_usize,
        max_wait in prop_oneof![1..12_u64, Just(u64::MAX)],
        arrivals in arrivals(),
    ) {
        let max_wait = Duration::from_millis(max_wait);
        paused().block_on(async {
            let layer = BulkheadLayer::builder()
                .max_concurrent(limit)
                .max_queue(max_queue)
                .max_wait(max_wait)
                .build()
                .unwrap();
            let handle = layer.handle();
            let (seen, count) = (handle.clone(), Arc::new(AtomicUsize::new(0)));
            let service = layer.layer(service_fn(move |(arrival, came): (Arrival, Instant)| {
                // Counted by the service itself: the bulkhead's own figure is under test.
                count.fetch_add(1, Ordering::Relaxed);
                let guard = Leaving(Arc::clone(&count));
                assert!(count.load(Ordering::Relaxed) <= limit);
                assert!(seen.in_flight() <= limit && seen.queued() <= max_queue);
                assert!(came.elapsed() <= max_wait);
                let waited = !came.elapsed().is_zero();
                let deadline = arrival.deadline.map(Duration::from_millis);
                assert!(!waited || deadline.is_none_or(|deadline| came.elapsed() < deadline));
                assert!(!matches!(arrival.ends, Ends::PanicInCall), "told to panic");
                async move {
                    let _guard = guard;
                    sleep(Duration::from_millis(arrival.takes)).await;
                    match arrival.ends {
                        Ends::Error => Err("told to fail"),
                        Ends::Panic => panic!("told to panic"),
                        Ends::Answer | Ends::PanicInCall => Ok(()),
                    }
                }
            }));

            let mut calls = Vec::new();
            for arrival in arrivals {
                sleep(Duration::from_millis(arrival.gap)).await;
                let mut service = service.clone();
                let patience = arrival.patience.map_or(Duration::MAX, Duration::from_millis);
                let ends = arrival.ends;
                calls.push((ends, tokio::spawn(async move {
                    let came = Instant::now();
                    let deadline = arrival.deadline.map(Duration::from_millis).map(Deadline::after);
                    let call = Deadline::scope(deadline, || service.call((arrival, came)));
                    let Ok(Err(error)) = timeout(patience, call).await else { return };
                    let Some(rejection) = Rejection::find(error.as_ref()) else { return };
                    match rejection.kind() {
                        RejectionKind::BulkheadFull { in_flight, queued, .. } => {
                            assert_eq!((*in_flight, *queued), (limit, max_queue));
                        }
                        RejectionKind::QueueTimeout { waited, .. } => {
                            assert_eq!((*waited, came.elapsed()), (max_wait, max_wait));
                        }
                        RejectionKind::DeadlineExceeded { called: false } => {
                            assert_eq!(Some(came.elapsed()), deadline.map(|d| d.instant() - came));
                        }
                        other => panic!("{other:?}"),
                    }
                })));
            }
            for (ends, call) in calls {
                // A call whose place never comes would hang here for ever.
                let ended = timeout(SECOND, call).await.expect("nobody is forgotten");
                if let Err(panicked) = ended {
                    let message = panicked.into_panic();
                    let message = message.downcast_ref::<&str>().copied().unwrap_or("another");
                    let told = message == "told to panic";
                    prop_assert!(told && matches!(ends, Ends::Panic | Ends::PanicInCall));
                }
            }
            prop_assert_eq!((handle.in_flight(), handle.queued()), (0, 0));
            Ok(())
        })?;
    }
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One place, a queue of `max_queue`, and as much time as there is.
fn patient(max_queue: usize) -> BulkheadLayer {
    BulkheadLayer::builder()
        .max_concurrent(1)
        .max_queue(max_queue)
        .max_wait(Duration::MAX)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    // One more than wait, for the latecomer.
    let layer = patient(4);
    let (probe, _handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let mut service = layer.layer(probe);
    let first = service.call(0);
    let mut waiting: Vec<_> = (1..=3).map(|n| task::spawn(service.call(n))).collect();
    // They stand in the order of their calls, whatever the order of their polls.
    for call in waiting.iter_mut().rev() {
        assert_pending!(call.poll());
    }
    let mut before = Some(first);
    for n in 0..3 {
        drop(before.take());
        let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
        let expected: Vec<_> = (n..3).map(|m| m == n).collect();
        assert_eq!(woken, expected);
        let mut late = task::spawn(service.call(9));
        assert_pending!(late.poll(), "nobody overtakes");
        drop(late);
        assert_eq!(assert_ready!(waiting.remove(0).poll()).unwrap(), n + 1);
    }
    assert_empty(&layer.handle());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_left_holds_no_place() {
    let layer = patient(2);
    let handle = layer.handle();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let first = service.call(());
    let leaves = service.call(());
    let mut stays = task::spawn(service.call(()));
    assert_pending!(stays.poll());
    assert_eq!(handle.queued(), 2);
    assert!(end(service.call(())).await.is_err(), "the queue is full");

    drop(leaves);
    assert_eq!(handle.queued(), 1);
    let leaves_later = service.call(());
    assert_eq!(handle.queued(), 2, "the place in the queue came back at once");

    drop(first);
    assert!(stays.is_woken(), "the one that left was passed over");
    assert_eq!((handle.in_flight(), handle.queued()), (1, 1), "it has its place already");
    drop(stays);
    assert_eq!((handle.in_flight(), handle.queued()), (1, 0), "the next has it now");
    drop(leaves_later);
    assert_empty(&handle);
    assert_eq!(inner.calls(), 1);
    end(service.call(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waits_no_longer_than_the_deadline() {
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = patient(1);
    let mut service = layer.layer(probe);
    let _first = service.call(());
    let start = Instant::now();
    let deadline = Deadline::after(SECOND);
    let error = end(Deadline::scope(Some(deadline), || service.call(()))).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
    assert_eq!(start.elapsed(), SECOND);

    // The deadline has passed by now: there is nothing to wait for.
    let call = Deadline::scope(Some(deadline), || service.call(()));
    assert_eq!(layer.handle().queued(), 0);
    let error = end(call).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
    assert_eq!((start.elapsed(), inner.calls()), (SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn a_place_in_the_same_poll_as_the_timer_wins() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok("in time")));
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(SECOND).build().unwrap();
    let mut service = layer.layer(probe);
    let first = service.call(());
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    advance(SECOND).await;
    drop(first);
    assert_eq!(assert_ready!(second.poll()).unwrap(), "in time");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_after_the_deadline_is_passed_on() {
    let (probe, inner) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let layer = patient(2);
    let mut service = layer.layer(probe);
    let first = service.call(0);
    let deadline = Deadline::after(SECOND);
    let mut late = task::spawn(Deadline::scope(Some(deadline), || service.call(1)));
    let mut next = task::spawn(service.call(2));
    assert_pending!(late.poll());
    assert_pending!(next.poll());
    advance(SECOND).await;
    drop(first);
    let error = assert_ready!(late.poll()).unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
    assert!(next.is_woken(), "while the late call's future still exists");
    assert_eq!(assert_ready!(next.poll()).unwrap(), 2);
    assert_eq!(inner.calls(), 2);
    assert_empty(&layer.handle());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ended_leaves_the_queue_at_once() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(SECOND).build().unwrap();
    let mut service = layer.layer(probe);
    let _first = service.call(());
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    advance(SECOND).await;
    assert!(second.is_woken());
    let error = assert_ready!(second.poll()).unwrap_err();
    let expected =
        RejectionKind::QueueTimeout { limit: 1, in_flight: 1, queued: 0, waited: SECOND };
    assert_eq!(kind(&error), &expected);
    assert_eq!(layer.handle().queued(), 0, "while the outer future still exists");
}

/// tokio lets no timer fire in a task that has used up its turn.
#[tokio::test]
async fn a_wait_ends_in_a_task_that_is_always_busy() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let max_wait = Duration::from_millis(20);
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(max_wait).build().unwrap();
    let mut service = layer.layer(probe);
    let _first = service.call(());
    let mut waits = Box::pin(service.call(()));
    let (busy, mut work) = mpsc::unbounded_channel();
    let began = Instant::now();
    let ended = poll_fn(|cx| {
        // Until its turn is used up.
        while {
            busy.send(()).expect("the other end is here");
            work.poll_recv(cx).is_ready()
        } {}
        assert!(began.elapsed() < 60 * SECOND, "it never ends");
        cx.waker().wake_by_ref();
        waits.as_mut().poll(cx)
    });
    let error = ended.await.unwrap_err();
    assert!(
        matches!(kind(&error), RejectionKind::QueueTimeout { waited, .. } if *waited >= max_wait)
    );
}
