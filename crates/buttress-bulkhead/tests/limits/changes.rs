//! Limits that change: by an operator, or because they have learned.

use buttress_bulkhead::BulkheadLayer;
use buttress_core::{Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply, assert_pending, assert_ready, task};
use tower::{Layer, Service};

use crate::{SECOND, told::Told};

#[tokio::test(start_paused = true)]
async fn an_operator_shrinks_it_and_no_call_in_flight_is_touched() {
    let layer = BulkheadLayer::new(3).unwrap();
    let (handle, isolated) = (layer.handle(), layer.isolated().handle());
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let mut calls: Vec<_> = (0..3).map(|_| service.call(())).collect();
    handle.set_limit(1).unwrap();
    assert_eq!((handle.limit(), handle.in_flight(), inner.in_flight()), (1, 3, 3));
    assert_eq!(isolated.limit(), 3, "it is another");
    for in_flight in [3, 2, 1] {
        let error = service.call(()).await.unwrap_err();
        let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
        assert_eq!(kind, &RejectionKind::BulkheadFull { limit: 1, in_flight, queued: 0 });
        calls.pop();
    }
    let _one = service.call(());
    assert_eq!(handle.in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_lets_in_who_waits() {
    let layer =
        BulkheadLayer::builder().max_concurrent(1).max_queue(4).max_wait(SECOND).build().unwrap();
    let handle = layer.handle();
    let (probe, inner) = Probe::new(|n: u32| if n == 0 { Reply::Never } else { Reply::Now(Ok(n)) });
    let mut service = layer.layer(probe);
    let _hangs = service.call(0);
    let mut waiting: Vec<_> = (1..=3).map(|n| task::spawn(service.call(n))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    handle.set_limit(3).unwrap();
    let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, false], "as many as there are places, the first first");
    assert_eq!((handle.in_flight(), handle.queued(), inner.calls()), (3, 1, 1));
    // A limit that shrinks again takes no place from whom it was given to.
    handle.set_limit(1).unwrap();
    assert_eq!(assert_ready!(waiting[0].poll()).unwrap(), 1);
    assert_eq!(assert_ready!(waiting[1].poll()).unwrap(), 2);
    assert!(!waiting[2].is_woken(), "one place, and it is taken");
}

#[tokio::test(start_paused = true)]
async fn what_it_has_learned_holds_at_once() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder()
        .limit(told.clone())
        .max_wait(10 * SECOND)
        .max_queue(3)
        .build()
        .unwrap();
    let handle = layer.handle();
    let (probe, _inner) =
        Probe::new(|n: u32| if n == 0 { Reply::Now(Ok(n)) } else { Reply::Never });
    let mut service = layer.layer(probe);
    let mut first = task::spawn(service.call(0));
    let mut waiting: Vec<_> = (1..=3).map(|n| task::spawn(service.call(n))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    told.set(2);
    assert_ready!(first.poll()).unwrap();
    let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, false], "one place came back, and there is one more");
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (2, 2, 1));

    for call in &mut waiting[..2] {
        assert_pending!(call.poll());
    }

    // Outside of the range it is taken for the nearest within.
    told.set(0);
    drop(waiting.remove(0));
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (1, 1, 1));
    told.set(usize::MAX);
    drop(waiting.remove(0));
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (1_000_000, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_s_word_holds_against_what_is_learned() {
    let told = Told::new(5);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let handle = layer.handle();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let before = service.call(());
    handle.set_limit(2).unwrap();
    told.set(9);
    before.await.unwrap();
    service.call(()).await.unwrap();
    assert_eq!((handle.limit(), told.take()), (2, vec![]), "it is told no more");
    assert_eq!(layer.isolated().handle().limit(), 9, "it begins anew, by what it was built with");
}

#[tokio::test(start_paused = true)]
async fn an_operator_goes_back_to_what_it_was_built_with() {
    let layer = BulkheadLayer::builder().max_concurrent(2).max_wait(SECOND).build().unwrap();
    let handle = layer.handle();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    handle.set_limit(1).unwrap();
    let _one = service.call(());
    let mut waits = task::spawn(service.call(()));
    assert_pending!(waits.poll());
    handle.reset_limit();
    assert!(waits.is_woken());
    assert_eq!((handle.limit(), handle.in_flight()), (2, 2));

    // One that learns does so again.
    let told = Told::new(5);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let handle = layer.handle();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    handle.set_limit(2).unwrap();
    service.call(()).await.unwrap();
    assert_eq!(told.take(), []);
    handle.reset_limit();
    assert_eq!(handle.limit(), 5);
    told.set(7);
    service.call(()).await.unwrap();
    assert_eq!((handle.limit(), told.take().len()), (7, 1));
}
