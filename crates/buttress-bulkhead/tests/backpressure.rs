//! Places that are taken in `poll_ready`, for whoever asks for it.

use std::{future::poll_fn, time::Duration};

use buttress_bulkhead::{Bulkhead, BulkheadHandle, BulkheadLayer};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Reply, assert_future_traits, assert_pending, assert_ready,
    assert_service_traits, task,
};
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit};

type Answers = Probe<&'static str, ()>;

fn one() -> (Bulkhead<Answers>, BulkheadHandle, ProbeHandle) {
    let layer = BulkheadLayer::builder().max_concurrent(1).backpressure().build().unwrap();
    let (probe, inner) = Probe::new(|request| match request {
        "hang" => Reply::Never,
        _ => Reply::Now(Ok(())),
    });
    (layer.layer(probe), layer.handle(), inner)
}

/// Asks once whether it is ready.
fn ask<S>(service: &mut S) -> task::Spawn<impl Future<Output = Result<(), BoxError>>>
where
    S: Service<&'static str, Error = BoxError>,
{
    task::spawn(poll_fn(|cx| service.poll_ready(cx)))
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_before_the_call_and_given_back_after_it() {
    let (mut service, handle, _inner) = one();
    let mut other = service.clone();
    assert_ready!(ask(&mut service).poll()).unwrap();
    assert_ready!(ask(&mut service).poll()).unwrap();
    assert_eq!(handle.in_flight(), 1, "one, however often it is asked");

    let mut waits = ask(&mut other);
    assert_pending!(waits.poll());
    assert_eq!((handle.in_flight(), handle.queued()), (1, 1));
    let call = service.call("answer");
    assert!(!waits.is_woken());
    call.await.unwrap();
    assert!(waits.is_woken());
    assert_ready!(waits.poll()).unwrap();
    drop(waits);
    other.call("answer").await.unwrap();
    assert_eq!((handle.in_flight(), handle.queued()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_dropped_or_cloned_passes_nothing_on() {
    let (mut service, handle, inner) = one();
    assert_ready!(ask(&mut service).poll()).unwrap();
    let mut clone = service.clone();
    assert_pending!(ask(&mut clone).poll());
    assert_eq!(handle.queued(), 1, "it stands in the queue, and not the future that asked");
    drop(clone);
    assert_eq!((handle.in_flight(), handle.queued(), inner.reserved()), (1, 0, 1));
    drop(service);
    assert_eq!((handle.in_flight(), inner.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_was_given_a_place_and_leaves_gives_it_to_the_next() {
    let (mut service, handle, _inner) = one();
    let (mut leaves, mut stays) = (service.clone(), service.clone());
    assert_ready!(ask(&mut service).poll()).unwrap();
    assert_pending!(ask(&mut leaves).poll());
    let mut waits = ask(&mut stays);
    assert_pending!(waits.poll());
    drop(service);
    assert!(!waits.is_woken(), "it is not the first");
    drop(leaves);
    assert!(waits.is_woken());
    assert_ready!(waits.poll()).unwrap();
    assert_eq!((handle.in_flight(), handle.queued()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_asked_again_and_again_keeps_its_place_in_the_queue() {
    let (mut service, handle, _inner) = one();
    let (mut first, mut second) = (service.clone(), service.clone());
    assert_ready!(ask(&mut service).poll()).unwrap();
    assert_pending!(ask(&mut first).poll());
    assert_pending!(ask(&mut second).poll());
    for _ in 0..5 {
        // Each time by another future, as a caller does that looks in between at something else.
        assert_pending!(ask(&mut first).poll());
        assert_eq!((handle.in_flight(), handle.queued()), (1, 2));
    }
    drop(service);
    assert_pending!(ask(&mut second).poll());
    assert_ready!(ask(&mut first).poll()).unwrap();
    drop(first);
    assert_ready!(ask(&mut second).poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_asked_once_there_is_a_place_and_called_where_it_was_ready() {
    let (mut service, handle, inner) = one();
    let mut second = service.clone();
    inner.set_readiness(Readiness::Pending);
    let mut waits = ask(&mut service);
    assert_pending!(waits.poll());
    assert_eq!(handle.in_flight(), 1, "the place comes before");
    assert_pending!(ask(&mut second).poll());
    inner.set_readiness(Readiness::Ready);
    assert!(waits.is_woken());
    assert_ready!(waits.poll()).unwrap();
    drop(waits);
    assert_eq!(inner.reserved(), 1, "of the second nothing was asked, for it has no place");
    // The probe panics if another instance is called.
    service.call("answer").await.unwrap();
    second.ready().await.unwrap().call("answer").await.unwrap();
    assert_eq!((inner.calls(), inner.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_next_call_s() {
    let (mut service, handle, inner) = one();
    for _ in 0..2 {
        inner.set_readiness(Readiness::Broken);
        service.ready().await.expect("never from poll_ready");
        // Asked again, it would be ready: what comes out is what was kept.
        inner.set_readiness(Readiness::Ready);
        let call = service.call("answer");
        assert_eq!(call.await.unwrap_err().to_string(), "the probe is broken");
        assert_eq!((inner.calls(), handle.in_flight()), (0, 0));
    }
    service.ready().await.unwrap().call("answer").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn beyond_a_bound_on_the_queue_calls_are_refused() {
    let layer =
        BulkheadLayer::builder().max_concurrent(1).max_queue(1).backpressure().build().unwrap();
    let (probe, inner) = Probe::new(|_: &str| Reply::<()>::Never);
    let mut first = layer.layer(probe);
    let (mut second, mut third) = (first.clone(), first.clone());
    assert_ready!(ask(&mut first).poll()).unwrap();
    let _in_flight = first.call("hang");
    assert_pending!(ask(&mut second).poll());
    let call = third.ready().await.expect("it is refused in the call").call("hang");
    let error = call.await.unwrap_err();
    let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
    assert_eq!(kind, &RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 1 });
    assert_eq!((inner.calls(), inner.reserved()), (1, 0));
    assert_eq!(layer.handle().queued(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_grows_lets_in_who_waits() {
    let (mut service, handle, _inner) = one();
    let mut clones: Vec<_> = (0..3).map(|_| service.clone()).collect();
    assert_ready!(ask(&mut service).poll()).unwrap();
    let mut waits: Vec<_> = clones.iter_mut().map(ask).collect();
    for waits in &mut waits {
        assert_pending!(waits.poll());
    }
    handle.set_limit(3).unwrap();
    let woken: Vec<_> = waits.iter().map(task::Spawn::is_woken).collect();
    assert_eq!((woken, handle.in_flight()), (vec![true, true, false], 3));
}

#[tokio::test]
async fn composes_with_towers_own_layers() {
    let layer = BulkheadLayer::builder().max_concurrent(2).backpressure().build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let service = layer.layer(ConcurrencyLimit::new(probe, 1));
    let service = Buffer::new(service, 8);
    let calls: Vec<_> = (0..20).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    for call in calls {
        timeout(Duration::from_secs(60), call).await.expect("it ends").unwrap().unwrap();
    }
    assert_eq!(inner.calls(), 20);
    assert!(layer.handle().in_flight() <= 1, "the buffer may have the next place already");
    drop(service);
}

#[tokio::test]
async fn auto_traits() {
    let (mut service, _handle, _inner) = one();
    assert_service_traits(&service);
    assert_ready!(ask(&mut service).poll()).unwrap();
    assert_future_traits(&service.call("answer"));
}
