//! tower's contract, kept towards the inner service and towards the caller.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use buttress_chaos::{ChaosLayer, Faults, Pace};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits, assert_pending,
    assert_ready, assert_service_traits, task,
};
use tokio::time::advance;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

const SECOND: Duration = Duration::from_secs(1);

fn late() -> ChaosLayer {
    ChaosLayer::new(Faults::none().latency(1.0, SECOND).unwrap()).unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    for layer in [ChaosLayer::new(Faults::none()).unwrap(), late()] {
        let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
        let mut service = layer.layer(probe);
        for n in 0..3 {
            assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n + 1);
        }
        let mut clone = service.clone();
        assert_eq!(clone.ready().await.unwrap().call(7).await.unwrap(), 8);
        assert_eq!((handle.calls(), handle.reserved()), (4, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_not_asked_for_anything_during_a_delay() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("late")));
    let mut service = late().layer(probe);
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    advance(SECOND / 2).await;
    assert!(!call.is_woken());
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
    advance(SECOND / 2).await;
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()).unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    for layer in [ChaosLayer::new(Faults::none()).unwrap(), late()] {
        let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("late")));
        handle.set_readiness(Readiness::Pending);
        let mut service = layer.layer(probe);
        let mut call = task::spawn(service.ready().await.unwrap().call(()));
        assert_pending!(call.poll());
        // Twice as long as the delay: it is over, if there was one.
        advance(2 * SECOND).await;
        assert_pending!(call.poll());
        assert!(!call.is_woken());
        handle.set_readiness(Readiness::Ready);
        assert!(call.is_woken());
        assert_eq!(assert_ready!(call.poll()).unwrap(), "late");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_call_s_and_untouched() {
    for layer in [ChaosLayer::new(Faults::none()).unwrap(), late()] {
        let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
        handle.set_readiness(Readiness::Broken);
        let mut service = layer.layer(probe);
        let service = service.ready().await.expect("refusals never come from poll_ready");
        assert_eq!(service.call(()).await.unwrap_err().to_string(), "the probe is broken");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one_or_never_makes_it() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = ChaosLayer::new(Faults::none()).unwrap();
    let mut service = layer.layer(probe);
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((handle.calls(), handle.dropped()), (1, 1));

    layer.handle().set(late().handle().faults()).unwrap();
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    drop(call);
    advance(2 * SECOND).await;
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));
}

/// Wherever a call is dropped, all that it held goes: its request, its clone of the inner service, and
/// what that had claimed.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_anywhere_gives_back_all_it_held() {
    let none = Faults::none();
    let hangs = none.hangs(1.0).unwrap();
    for faults in [none, late().handle().faults(), hangs, hangs.latency(1.0, SECOND).unwrap()] {
        for readiness in [Readiness::Ready, Readiness::Pending] {
            // Unpolled, in the delay, in the inner service's readiness, in its call, in the hang.
            for polls in 0..4 {
                let (probe, handle) = Probe::new(|_: Arc<()>| Reply::<()>::Never);
                handle.set_readiness(readiness);
                let mut service = ChaosLayer::new(faults).unwrap().layer(probe);
                let request = Arc::new(());
                let mut call = task::spawn(service.call(Arc::clone(&request)));
                for _ in 0..polls {
                    assert_pending!(call.poll());
                    advance(SECOND / 2).await;
                }
                drop(call);
                assert_eq!(Arc::strong_count(&request), 1, "{faults:?} {readiness:?} {polls}");
                assert_eq!((handle.in_flight(), handle.reserved()), (0, 0));
                handle.set_readiness(Readiness::Ready);
                assert_eq!(handle.reserved(), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_lets_go_of_its_request_at_once_and_never_ends() {
    let recorder = Recorder::new();
    let faults = Faults::none().hangs(1.0).unwrap().errors(1.0).unwrap();
    let layer = ChaosLayer::builder().faults(faults).observer(recorder.clone()).build().unwrap();
    let (probe, handle) = Probe::new(|_: Arc<()>| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let request = Arc::new(());
    let mut call = task::spawn(service.call(Arc::clone(&request)));
    for _ in 0..3 {
        assert_pending!(call.poll());
        advance(1_000_000 * SECOND).await;
        assert!(!call.is_woken());
    }
    assert_eq!((Arc::strong_count(&request), handle.calls(), handle.reserved()), (1, 0, 0));
    assert_eq!(recorder.take(), ["chaos chaos: injected hang"], "and it never comes to the error");
}

#[tokio::test(start_paused = true)]
async fn an_injected_panic_is_the_call_s_and_leaves_the_service_usable() {
    let recorder = Recorder::new();
    let panics =
        Faults::none().panics(1.0).unwrap().errors(1.0).unwrap().latency(1.0, SECOND).unwrap();
    let layer = ChaosLayer::builder().faults(panics).allow_panics().observer(recorder.clone());
    let layer = layer.build().unwrap();
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let service = layer.layer(probe);
    // Not in `call`, but where it is polled.
    drop(service.clone().call(()));
    assert_eq!(recorder.take(), ["chaos chaos: injected latency"]);
    let panicked = tokio::spawn(service.clone().oneshot(())).await.unwrap_err();
    let text = panicked.into_panic();
    assert_eq!(text.downcast_ref::<String>().unwrap(), "chaos `chaos`: panic injected on purpose");
    assert_eq!(recorder.take(), ["chaos chaos: injected latency", "chaos chaos: injected panic"]);
    layer.handle().clear();
    service.oneshot(()).await.unwrap();
    assert_eq!((handle.calls(), handle.in_flight(), handle.reserved()), (1, 0, 0));
}

/// A fault that a protocol has no place for is no fault that nobody sees.
#[tokio::test(start_paused = true)]
async fn under_plain_values_what_can_not_be_damaged_is_lost() {
    let none = Faults::none();
    for (faults, called) in [
        (none.status(1.0, 503).unwrap(), 0),
        (none.cut(1.0, 1).unwrap(), 1),
        (none.breaks(1.0, 1).unwrap(), 1),
        (none.stalls(1.0, 1, SECOND).unwrap(), 1),
        (none.slow(1.0, Pace::EachFrame(SECOND)).unwrap(), 1),
        (none.trailers(1.0, 14).unwrap(), 1),
        (none.latency(1.0, SECOND).unwrap().cut(1.0, 1).unwrap(), 1),
    ] {
        let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
        let service = ChaosLayer::new(faults).unwrap().layer(probe);
        let error = service.oneshot(()).await.unwrap_err();
        assert_eq!(kind(&error), &RejectionKind::Injected, "{faults:?}");
        assert_eq!((handle.completed(), handle.reserved()), (called, 0), "{faults:?}");
    }
}

#[tokio::test]
async fn the_error_is_one_of_your_own() {
    let errors = Faults::none().errors(1.0).unwrap();
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
    let layer = ChaosLayer::builder().faults(errors).error(reset).build().unwrap();
    let (probe, _handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let error = layer.layer(probe).oneshot(()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn inner_errors_pass_untouched() {
    for layer in [ChaosLayer::new(Faults::none()).unwrap(), late()] {
        let (probe, _handle) = Probe::new(|(): ()| Reply::<()>::Now(Err("inner".into())));
        let error = layer.layer(probe).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), "inner");
        assert!(Rejection::find(error.as_ref()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_goes_through_and_leaves_the_service_usable() {
    for layer in [ChaosLayer::new(Faults::none()).unwrap(), late()] {
        let (probe, handle) = Probe::new(|request: &str| match request {
            "panic" => Reply::Panic,
            "panic in call" => Reply::PanicInCall,
            _ => Reply::Now(Ok(())),
        });
        let service = layer.layer(probe);
        for request in ["panic", "panic in call"] {
            let panicked = tokio::spawn(service.clone().oneshot(request)).await.unwrap_err();
            assert!(panicked.is_panic());
        }
        service.oneshot("fine").await.unwrap();
        assert_eq!((handle.in_flight(), handle.reserved()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn says_once_what_it_injected() {
    let recorder = Recorder::new();
    let layer = ChaosLayer::builder().name("drill").observer(recorder.clone()).build().unwrap();
    let handle = layer.handle();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    service.call(()).await.unwrap();
    assert!(recorder.take().is_empty(), "a call that goes well says nothing");

    let both = late().handle().faults().errors(1.0).unwrap();
    handle.set(both).unwrap();
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    assert_eq!(recorder.take(), ["chaos drill: injected latency"]);
    let error = call.await.unwrap_err();
    assert_eq!(recorder.take(), ["chaos drill: injected error"]);
    assert_eq!(error.to_string(), "chaos `drill`: fault injected on purpose");
    assert_eq!(kind(&error), &RejectionKind::Injected);

    drop(service.call(()));
    assert_eq!(recorder.take(), ["chaos drill: injected latency"], "it never came to the error");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let late_in_every_way = late().handle().faults().ready_late(1.0, SECOND).unwrap();
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(BufferLayer::new(8))
                .layer(ChaosLayer::new(late_in_every_way).unwrap())
                .layer(BufferLayer::new(8))
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(service_fn(async |n: u32| Ok::<_, Infallible>(n)));
    let calls: Vec<_> = (0..6).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap() as usize, n);
    }
}

#[tokio::test]
async fn auto_traits() {
    let layer = late();
    assert_layer_traits(&layer);
    assert_layer_traits(&layer.handle());
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}
