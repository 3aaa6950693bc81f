//! Who waits: how many, if nothing was said, and what is seen of one who gives up.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, Compartment};
use buttress_core::{BoxError, Deadline, Event, EventKind, Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply, assert_pending, assert_ready, task};
use tokio::time::timeout;
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);

fn hangs() -> Probe<(), ()> {
    Probe::new(|(): ()| Reply::Never).0
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_may_pass_at_once_if_nothing_was_said() {
    let one = BulkheadLayer::builder().max_concurrent(3).max_wait(SECOND).build().unwrap();
    let named = BulkheadLayer::compartments(|(): &()| "named")
        .compartment(Compartment::new("named", 3).max_wait(SECOND))
        .build()
        .unwrap();
    let handles = [one.handle(), named.handle().get("named").expect("it is there").clone()];
    let (mut one, mut named) = (one.layer(hangs()), named.layer(hangs()));
    let mut calls: [Box<dyn FnMut() -> _>; 2] =
        [Box::new(|| task::spawn(one.call(()))), Box::new(|| task::spawn(named.call(())))];
    for (call, handle) in calls.iter_mut().zip(handles) {
        let mut held: Vec<_> = (0..6).map(|_| call()).collect();
        for held in &mut held {
            assert_pending!(held.poll());
        }
        let error = assert_ready!(call().poll()).unwrap_err();
        let full = RejectionKind::BulkheadFull { limit: 3, in_flight: 3, queued: 3 };
        assert_eq!(kind(&error), &full);
        assert_eq!((handle.in_flight(), handle.queued()), (3, 3));
    }
}

/// Whoever waits there is not a call yet, and has nobody that an error could be told to.
#[tokio::test(start_paused = true)]
async fn under_backpressure_more_than_that_wait() {
    let layer = BulkheadLayer::builder().max_concurrent(3).backpressure().build().unwrap();
    let mut services: Vec<_> = (0..103).map(|_| layer.layer(hangs())).collect();
    for (n, service) in services.iter_mut().enumerate() {
        let ready = task::spawn(poll_fn(|cx| service.poll_ready(cx))).poll();
        assert_eq!(ready.is_ready(), n < 3, "{n}");
    }
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (3, 100));
}

/// An operator's alarm may look at the queue when it hears of one who gave up: he is not in it any more.
#[tokio::test(start_paused = true)]
async fn one_who_gives_up_has_left_before_it_is_said() {
    let (bulkhead, seen) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let observer = {
        let (bulkhead, seen) = (Arc::clone(&bulkhead), Arc::clone(&seen));
        move |event: &Event<'_>| {
            let EventKind::Rejected(rejection) = event.kind else { return };
            let queued = bulkhead.get().map(BulkheadHandle::queued);
            seen.lock().unwrap().push((rejection.kind().clone(), queued));
        }
    };
    let layer = BulkheadLayer::builder().max_concurrent(1).max_queue(2).max_wait(2 * SECOND);
    let layer = layer.observer(observer).build().unwrap();
    bulkhead.set(layer.handle()).expect("the first");
    let mut service = layer.layer(hangs());
    let _in_flight = service.call(());
    let waits = service.call(());
    let hurried = Deadline::scope(Some(Deadline::after(SECOND)), || service.call(()));
    timeout(60 * SECOND, async {
        hurried.await.unwrap_err();
        waits.await.unwrap_err();
    })
    .await
    .expect("both give up");

    let waited = 2 * SECOND;
    let late = RejectionKind::QueueTimeout { limit: 1, in_flight: 1, queued: 0, waited };
    let pointless = RejectionKind::DeadlineExceeded { called: false };
    assert_eq!(*seen.lock().unwrap(), [(pointless, Some(1)), (late, Some(0))]);
}
