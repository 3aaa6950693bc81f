//! tower's contract, kept there as well.

use std::convert::Infallible;

use buttress_bulkhead::BulkheadLayer;
use buttress_core::{BoxError, Rejection};
use buttress_testkit::{
    Probe, Readiness, Reply, assert_future_traits, assert_layer_traits, assert_pending,
    assert_service_traits, task,
};
use tokio::{sync::oneshot, task::yield_now};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

use crate::{
    apart::{Apart, PATIENCE, thread_name, within_patience},
    one,
};

#[tokio::test]
async fn the_instance_that_is_ready_is_the_one_that_is_called() {
    let apart = Apart::new("apart");
    let (probe, probed) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let mut service = one(&apart).layer(probe);
    for n in 0..5 {
        // The probe panics if another instance is called.
        assert_eq!(within_patience(service.call(n)).await.unwrap(), n + 1);
    }
    probed.set_readiness(Readiness::Pending);
    let mut waits = task::spawn(service.call(7));
    assert_pending!(waits.poll());
    probed.set_readiness(Readiness::Ready);
    assert_eq!(within_patience(waits).await.unwrap(), 8);
    assert_eq!((probed.calls(), probed.reserved()), (6, 0));
}

#[tokio::test]
async fn under_backpressure_the_instance_that_was_readied_is_the_one_that_is_called() {
    let apart = Apart::new("apart");
    let (probe, probed) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let layer = BulkheadLayer::builder().max_concurrent(1).backpressure();
    let layer = layer.on_runtime(apart.handle()).build().unwrap();
    let (handle, mut service) = (layer.handle(), layer.layer(probe));
    for n in 0..5 {
        within_patience(service.ready()).await.unwrap();
        assert_eq!((handle.in_flight(), probed.reserved()), (1, 1));
        let mut other = service.clone();
        let mut waits = task::spawn(other.ready());
        assert_pending!(waits.poll());
        // No other can be claimed any more: this one has been.
        probed.set_readiness(Readiness::Pending);
        assert_eq!(within_patience(service.call(n)).await.unwrap(), n + 1);
        probed.set_readiness(Readiness::Ready);
        assert!(waits.is_woken(), "by the place");
        within_patience(waits).await.unwrap();
        drop(other);
        assert_eq!((handle.in_flight(), handle.queued(), probed.reserved()), (0, 0, 0));
    }
    probed.set_readiness(Readiness::Broken);
    within_patience(service.ready()).await.expect("the error is the call's");
    // Asked again, it would be ready: what comes out is what was kept.
    probed.set_readiness(Readiness::Ready);
    let broken = service.call(0);
    assert_eq!(within_patience(broken).await.unwrap_err().to_string(), "the probe is broken");
    assert_eq!((handle.in_flight(), probed.calls()), (0, 5));
}

#[tokio::test]
async fn an_isolated_layer_gives_its_calls_to_the_same_runtime() {
    let apart = Apart::new("apart");
    let layer = one(&apart);
    let isolated = layer.isolated();
    let threads = service_fn(async |()| Ok::<_, Infallible>(thread_name()));
    let _taken = layer.layer(threads).call(());
    let thread = within_patience(isolated.layer(threads).oneshot(())).await;
    assert_eq!(thread.expect("it has a place of its own"), "apart");
}

#[tokio::test]
async fn inner_errors_pass_untouched() {
    let apart = Apart::new("apart");
    let (probe, probed) = Probe::new(|(): ()| Reply::<()>::Now(Err("inner".into())));
    let layer = one(&apart);
    let mut service = layer.layer(probe);
    let error = within_patience(service.call(())).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    assert!(Rejection::find(error.as_ref()).is_none());
    probed.set_readiness(Readiness::Broken);
    let error = within_patience(service.call(())).await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");
    assert_eq!((layer.handle().in_flight(), probed.calls()), (0, 1));
}

#[tokio::test]
async fn those_who_wait_are_called_there_when_it_is_their_turn() {
    let apart = Apart::new("apart");
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(PATIENCE).max_queue(2);
    let layer = layer.on_runtime(apart.handle()).build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(async |until: oneshot::Receiver<u32>| {
        Ok::<_, BoxError>((until.await?, thread_name()))
    }));
    let (first, until_first) = oneshot::channel();
    let (second, until_second) = oneshot::channel();
    let (_third, until_third) = oneshot::channel();
    let one = service.call(until_first);
    let mut two = task::spawn(service.call(until_second));
    let three = service.call(until_third);
    assert_pending!(two.poll());
    assert_eq!((handle.in_flight(), handle.queued()), (1, 2));
    drop(three);
    second.send(2).unwrap();
    assert_pending!(two.poll(), "its turn has not come, though its answer is there");
    first.send(1).unwrap();
    assert_eq!(within_patience(one).await.unwrap(), (1, "apart".to_owned()));
    assert_eq!((handle.in_flight(), handle.queued()), (1, 0));
    assert_eq!(within_patience(two).await.unwrap(), (2, "apart".to_owned()));
    assert_eq!((handle.in_flight(), handle.snapshot().admitted), (0, 2));
}

#[tokio::test]
async fn composes_with_towers_own_layers() {
    let apart = Apart::new("apart");
    let layer = BulkheadLayer::builder().max_concurrent(2).max_wait(PATIENCE).max_queue(8);
    let layer = layer.on_runtime(apart.handle()).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(BufferLayer::new(8))
        .layer(ConcurrencyLimitLayer::new(4))
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new().layer(layer.clone()).layer(BoxCloneSyncServiceLayer::new(
                ServiceBuilder::new()
                    .layer(BufferLayer::new(8))
                    .layer(ConcurrencyLimitLayer::new(1)),
            )),
        ))
        .service(service_fn(async |n: u32| {
            yield_now().await;
            Ok::<_, Infallible>(n + 1)
        }));
    let calls: Vec<_> = (0..8).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(within_patience(call).await.unwrap().unwrap(), n + 1);
    }
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued, snapshot.admitted), (0, 0, 8));
}

#[tokio::test]
async fn auto_traits() {
    let layer = one(&Apart::new("apart"));
    assert_layer_traits(&layer);
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}
