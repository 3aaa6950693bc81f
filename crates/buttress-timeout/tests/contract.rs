//! tower's contract, kept towards the inner service and towards the caller.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Event, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, ScriptedBody, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use buttress_timeout::TimeoutLayer;
use http::Response;
use tokio::time::{Instant, advance, sleep};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

const SECOND: Duration = Duration::from_secs(1);

fn second() -> TimeoutLayer {
    TimeoutLayer::new(SECOND).unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let mut service = second().layer(probe);
    for n in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n + 1);
    }
    let mut clone = service.clone();
    assert_eq!(clone.ready().await.unwrap().call(7).await.unwrap(), 8);
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("late")));
    handle.set_readiness(Readiness::Pending);
    let mut service = second().layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call(()));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(call.await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_part_of_the_time() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Pending);
    let start = Instant::now();
    let error = second().layer(probe).oneshot(()).await.unwrap_err();
    assert!(matches!(kind(&error), RejectionKind::TimedOut { limit: SECOND, .. }), "{error}");
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_call_s_and_untouched() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Broken);
    let mut service = second().layer(probe);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    assert_eq!(service.call(()).await.unwrap_err().to_string(), "the probe is broken");
}

#[tokio::test(start_paused = true)]
async fn drops_the_inner_future_at_the_deadline_and_not_later() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut call = task::spawn(second().layer(probe).call(()));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert!(call.is_woken());
    assert!(assert_ready!(call.poll()).is_err());
    assert_eq!(handle.dropped(), 1, "while the outer future still exists");
}

/// What a limit on a phase cuts is dropped under a deadline that has passed: those inside know
/// that they were cut. What comes in time sees no deadline at all, for it would outlive the phase.
#[tokio::test(start_paused = true)]
async fn a_phase_is_no_deadline_but_what_it_cuts_knows() {
    struct Sees(Arc<Mutex<Vec<bool>>>);
    impl Drop for Sees {
        fn drop(&mut self) {
            let past = Deadline::current().is_some_and(Deadline::is_past);
            self.0.lock().unwrap().push(past);
        }
    }
    let millis = Duration::from_millis(10);
    let layer = TimeoutLayer::builder().response(millis).protocol(Http::new()).build().unwrap();
    for (head, cut) in [(0, false), (11, true)] {
        let seen = Arc::<Mutex<Vec<bool>>>::default();
        let shared = Arc::clone(&seen);
        let inner = service_fn(move |_: ()| {
            assert_eq!(Deadline::current(), None);
            let inside = Sees(Arc::clone(&shared));
            async move {
                sleep(Duration::from_millis(head)).await;
                drop(inside);
                Ok::<_, Infallible>(Response::new(ScriptedBody::default()))
            }
        });
        let result = layer.layer(inner).call(()).await;
        assert_eq!(result.is_err(), cut);
        assert_eq!(*seen.lock().unwrap(), [cut]);
    }
}

/// Once there is a result nothing is left of the inner call, though its future is still there.
#[tokio::test(start_paused = true)]
async fn what_the_call_held_is_free_with_its_result() {
    for fails in [false, true] {
        let held = Arc::new(7);
        let holds = Arc::clone(&held);
        let mut service = second().layer(service_fn(move |fails: bool| {
            let holds = Arc::clone(&holds);
            // A future of its own kind keeps what it owns until it is dropped itself.
            poll_fn(move |_| {
                Poll::Ready(if fails { Err(BoxError::from("inner")) } else { Ok(*holds) })
            })
        }));
        let before = Arc::strong_count(&held);
        let mut call = task::spawn(service.call(fails));
        assert_eq!(Arc::strong_count(&held), before + 1);
        assert_eq!(assert_ready!(call.poll()).is_err(), fails);
        assert_eq!(Arc::strong_count(&held), before, "fails: {fails}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = second().layer(probe);
    drop(service.call(()));
    let mut polled = task::spawn(service.call(()));
    assert_pending!(polled.poll());
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn inner_errors_pass_untouched() {
    let (probe, _handle) = Probe::new(|(): ()| Reply::<()>::Now(Err("inner".into())));
    let error = second().layer(probe).oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    assert!(Rejection::find(error.as_ref()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_goes_through_and_leaves_the_service_usable() {
    let (probe, handle) =
        Probe::new(|fail: bool| if fail { Reply::Panic } else { Reply::Now(Ok(())) });
    let service = second().layer(probe);
    let panicked = tokio::spawn(service.clone().oneshot(true)).await.unwrap_err();
    assert!(panicked.is_panic());
    assert_eq!(Deadline::current(), None, "the scope was left");
    service.oneshot(false).await.unwrap();
    assert_eq!(handle.in_flight(), 0);
}

/// Who is told that a call was cut finds nothing left of it.
#[tokio::test(start_paused = true)]
async fn a_call_is_gone_before_it_is_told_that_it_was_cut() {
    let held = Arc::new(());
    let (of_call, of_observer) = (Arc::clone(&held), Arc::clone(&held));
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let observer =
        move |_: &Event<'_>| *told.lock().unwrap() = Some(Arc::strong_count(&of_observer));
    let layer = TimeoutLayer::builder().overall(SECOND).observer(observer).build().unwrap();
    let mut service = layer.layer(service_fn(move |(): ()| {
        let of_call = Arc::clone(&of_call);
        async move {
            let result = pending::<Result<(), Infallible>>().await;
            drop(of_call);
            result
        }
    }));
    let before = Arc::strong_count(&held);
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_ready!(call.poll()).unwrap_err();
    assert_eq!(*seen.lock().unwrap(), Some(before));
}

#[tokio::test(start_paused = true)]
async fn says_once_what_it_cut() {
    let recorder = Recorder::new();
    let layer = TimeoutLayer::builder()
        .overall(SECOND)
        .name("pricing")
        .observer(recorder.clone())
        .build()
        .unwrap();
    let service = layer.layer(service_fn(async |_: ()| pending::<Result<(), Infallible>>().await));
    service.oneshot(()).await.unwrap_err();
    assert_eq!(recorder.take(), ["timeout pricing: rejected: overall limit of 1s passed"]);
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let slow = service_fn(async |_: ()| {
        sleep(SECOND / 4).await;
        Ok::<_, Infallible>(())
    });
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(second())
                .layer(BufferLayer::new(8))
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(slow);
    // One place, a quarter of a second each: three are served, the fourth ends with the limit,
    // and the others never get a place.
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap().is_ok());
    }
    assert!((3..=4).contains(&served), "{served}");
    service.oneshot(()).await.expect("the place came back");
}

#[tokio::test]
async fn auto_traits() {
    let layer = second();
    assert_layer_traits(&layer);
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}
