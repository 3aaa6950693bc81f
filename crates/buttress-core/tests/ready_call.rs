//! One call of an inner service: the very instance that was ready, and no waker lost.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_core::{Deadline, ReadyCall};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Reply, assert_pending, assert_ready, task};
use tokio::time::advance;
use tower_service::Service;

#[tokio::test]
async fn a_ready_service_is_called_on_the_spot() {
    let (mut probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let call = ReadyCall::start(&mut probe, 7);
    assert!(call.called());
    assert_eq!(handle.calls(), 1);
    assert_eq!(call.await.unwrap(), 7);
}

#[tokio::test]
async fn one_that_is_not_ready_is_waited_for_and_leaves_a_clone_behind() {
    let (mut probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    handle.set_readiness(Readiness::Pending);
    let mut waiting = task::spawn(ReadyCall::start(&mut probe, 1));
    assert!(!waiting.called());
    assert_pending!(waiting.poll());

    handle.set_readiness(Readiness::Ready);
    assert!(waiting.is_woken(), "by the waker of the poll, not by the one of the start");
    // The clone left behind is unready, and would panic if it were called as if it were not.
    assert_eq!(ReadyCall::start(&mut probe, 2).await.unwrap(), 2);
    assert_eq!(assert_ready!(waiting.poll()).unwrap(), 1);
    assert_eq!(handle.reserved(), 0);
}

#[tokio::test]
async fn a_broken_service_is_an_error_of_the_call_and_not_called() {
    let (mut probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Broken);
    let mut at_once = task::spawn(ReadyCall::start(&mut probe, ()));
    assert!(assert_ready!(at_once.poll()).is_err());
    assert!(!at_once.called());

    handle.set_readiness(Readiness::Pending);
    let mut later = task::spawn(ReadyCall::start(&mut probe, ()));
    assert_pending!(later.poll());
    handle.set_readiness(Readiness::Broken);
    assert!(later.is_woken());
    assert!(assert_ready!(later.poll()).is_err());
    assert!(!later.called());
    assert_eq!(handle.calls(), 0);
}

#[tokio::test]
async fn dropped_while_waiting_it_holds_nothing() {
    let (mut probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Pending);
    drop(ReadyCall::start(&mut probe, ()));
    handle.set_readiness(Readiness::Ready);
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
}

/// A limit of one place: whoever waits for it keeps its place in the queue when it is moved into
/// the future, though the first poll had a waker that wakes nobody.
#[tokio::test]
async fn the_place_in_a_queue_is_kept() {
    let (probe, _handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let mut limit = tower::limit::ConcurrencyLimit::new(probe, 1);
    let mut other = limit.clone();
    let holder = ReadyCall::start(&mut limit, 1);
    let mut first = task::spawn(ReadyCall::start(&mut limit, 2));
    let mut second = task::spawn(ReadyCall::start(&mut other, 3));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(holder);
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(assert_ready!(first.poll()).unwrap(), 2);
    drop(first);
    assert!(second.is_woken());
    assert_eq!(assert_ready!(second.poll()).unwrap(), 3);
    drop(second);
    let mut third = task::spawn(std::future::poll_fn(|cx| limit.poll_ready(cx)));
    assert!(assert_ready!(third.poll()).is_ok());
}

#[tokio::test]
async fn one_that_panicked_in_call_is_over_and_holds_nothing() {
    let (mut probe, handle) = Probe::new(|_: ()| Reply::<()>::PanicInCall);
    handle.set_readiness(Readiness::Pending);
    let mut call = task::spawn(ReadyCall::start(&mut probe, ()));
    assert_pending!(call.poll());
    handle.set_readiness(Readiness::Ready);
    for _ in 0..2 {
        let panicked = catch_unwind(AssertUnwindSafe(|| call.poll().is_ready()));
        assert!(panicked.is_err(), "and is never pending without anyone to wake it");
    }
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));
}

/// A probe that becomes ready `late` after a deadline of one second, under which the call waits.
async fn ready_after_its_deadline(
    late: Duration,
) -> (task::Spawn<ReadyCall<Probe<(), ()>, ()>>, ProbeHandle, Deadline) {
    let (mut probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Pending);
    let deadline = Deadline::after(Duration::from_secs(1));
    let mut call = task::spawn(ReadyCall::start(&mut probe, ()));
    assert_pending!(call.poll());
    advance(Duration::from_secs(1) + late).await;
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    (call, handle, deadline)
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_not_sent_for_one_who_ends_it() {
    for (late, sent) in [(0, true), (1, false)] {
        let late = Duration::from_millis(late);
        let (mut call, handle, deadline) = ready_after_its_deadline(late).await;
        for _ in 0..2 {
            let polled = call.enter(|cx, call| call.poll_until(Some(deadline), cx));
            assert_eq!(polled.is_ready(), sent, "at the very moment it comes in time");
            if sent {
                break;
            }
            assert!(!call.called());
        }
        drop(call);
        assert_eq!((handle.calls(), handle.reserved()), (usize::from(sent), 0));
    }
}

/// Whoever enforces a deadline ends the call in the poll in which it is found to have passed. Once
/// it is polled again he did not, and nobody else would.
#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_left_once_to_the_one_outside() {
    let (mut call, handle, deadline) = ready_after_its_deadline(Duration::from_millis(1)).await;
    assert_pending!(Deadline::enforce(Some(deadline), || call.poll()));
    assert_eq!(handle.calls(), 0);
    assert!(call.is_woken());
    assert!(assert_ready!(Deadline::enforce(Some(deadline), || call.poll())).is_ok());

    // A deadline that nobody enforces is no reason to wait for him.
    let (mut call, _handle, deadline) = ready_after_its_deadline(Duration::from_millis(1)).await;
    assert!(assert_ready!(Deadline::scope(Some(deadline), || call.poll())).is_ok());
    // Nor is one at the very moment.
    let (mut call, _handle, deadline) = ready_after_its_deadline(Duration::ZERO).await;
    assert!(assert_ready!(Deadline::enforce(Some(deadline), || call.poll())).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_told_however_late() {
    let (mut call, handle, deadline) = ready_after_its_deadline(Duration::from_millis(1)).await;
    handle.set_readiness(Readiness::Broken);
    assert!(assert_ready!(Deadline::enforce(Some(deadline), || call.poll())).is_err());
}
