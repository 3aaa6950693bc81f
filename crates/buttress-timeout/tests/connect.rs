//! A limit on making a connection, around connectors of every kind.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Phase, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits, assert_pending,
    assert_ready, assert_service_traits, task,
};
use buttress_timeout::ConnectTimeoutLayer;
use http::Uri;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, advance},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const CONNECT: RejectionKind = RejectionKind::TimedOut { phase: Phase::Connect, limit: SECOND };

fn second() -> ConnectTimeoutLayer {
    ConnectTimeoutLayer::new(SECOND).unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

proptest! {
    /// A connection is there when it is made or not at all; at the same moment, it is there.
    #[test]
    fn made_in_time_or_not_at_all(limit in 1..50_u64, takes in 0..50_u64) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let (limit, takes) = (Duration::from_millis(limit), Duration::from_millis(takes));
            let (probe, handle) = Probe::new(move |_: ()| Reply::After(takes, Ok("connection")));
            let start = Instant::now();
            let result = ConnectTimeoutLayer::new(limit).unwrap().layer(probe).oneshot(()).await;
            prop_assert_eq!(start.elapsed(), takes.min(limit));
            prop_assert_eq!(result.is_ok(), takes <= limit);
            prop_assert_eq!(handle.dropped(), usize::from(takes > limit));
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn says_once_that_it_was_the_connection_and_drops_it_then() {
    let (probe, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let recorder = Recorder::new();
    let layer = second().name("pricing").observer(recorder.clone());
    let mut connecting = task::spawn(layer.layer(probe).call(()));
    assert_pending!(connecting.poll());
    advance(SECOND).await;
    assert!(connecting.is_woken());
    let error = assert_ready!(connecting.poll()).unwrap_err();
    assert_eq!(kind(&error), &CONNECT);
    assert_eq!(error.to_string(), "timeout `pricing`: connect limit of 1s passed");
    assert_eq!(handle.dropped(), 1, "while the outer future still exists");
    assert_eq!(recorder.take(), ["timeout pricing: rejected: connect limit of 1s passed"]);
}

#[tokio::test(start_paused = true)]
async fn readiness_of_the_connector_is_part_of_the_time_and_wakes() {
    let (probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(7)));
    handle.set_readiness(Readiness::Pending);
    let service = second().layer(probe);
    let error = service.clone().oneshot(()).await.unwrap_err();
    assert_eq!((kind(&error), handle.calls()), (&CONNECT, 0));

    let mut connecting = task::spawn(service.oneshot(()));
    assert_pending!(connecting.poll());
    handle.set_readiness(Readiness::Ready);
    assert!(connecting.is_woken());
    assert_eq!(connecting.await.unwrap(), 7);
    assert_eq!(handle.reserved(), 0);

    let (probe, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    handle.set_readiness(Readiness::Broken);
    let mut service = second().layer(probe);
    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the probe is broken");
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_is_ready_too_late_is_not_asked_to_connect() {
    let (probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(7)));
    handle.set_readiness(Readiness::Pending);
    let mut connecting = task::spawn(second().layer(probe).call(()));
    assert_pending!(connecting.poll());
    advance(Duration::from_secs(2)).await;
    handle.set_readiness(Readiness::Ready);
    let error = assert_ready!(connecting.poll()).unwrap_err();
    assert_eq!((kind(&error), handle.calls(), handle.reserved()), (&CONNECT, 0, 0));
}

/// tokio lets no timer fire in a task that has used up its turn; and what is cut is told so by the
/// deadline that it is dropped under.
#[tokio::test(start_paused = true)]
async fn cut_in_a_task_that_is_always_busy_too_and_dropped_as_cut() {
    struct Sees(Arc<Mutex<Option<bool>>>);
    impl Drop for Sees {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(Deadline::current().is_some_and(Deadline::is_past));
        }
    }
    let dropped = Arc::default();
    let inside = Arc::clone(&dropped);
    let hangs = service_fn(move |_: ()| {
        let sees = Sees(Arc::clone(&inside));
        async move {
            let _sees = sees;
            pending::<Result<(), Infallible>>().await
        }
    });
    let mut connecting = task::spawn(second().layer(hangs).call(()));
    assert_pending!(connecting.poll());
    advance(SECOND).await;
    let polled = poll_fn(|cx| {
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        Poll::Ready(connecting.poll())
    });
    assert!(assert_ready!(polled.await).is_err());
    assert_eq!(*dropped.lock().unwrap(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn errors_pass_and_panics_leave_it_usable() {
    let (probe, handle) = Probe::new(|fail: u8| match fail {
        0 => Reply::Now(Ok(())),
        1 => Reply::Now(Err("refused".into())),
        _ => Reply::Panic,
    });
    let service = second().layer(probe);
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert_eq!(error.to_string(), "refused");
    assert!(Rejection::find(error.as_ref()).is_none());
    assert!(tokio::spawn(service.clone().oneshot(2)).await.unwrap_err().is_panic());
    service.oneshot(0).await.unwrap();
    assert_eq!(handle.in_flight(), 0);
}

/// A connector that takes its time in the call itself spends the limit's; and what has answered is
/// gone at once.
#[tokio::test(start_paused = true)]
async fn counts_from_the_call_and_drops_what_answered() {
    let blocks = service_fn(|_: ()| {
        let mut passes = task::spawn(advance(SECOND));
        let _ = passes.poll();
        pending::<Result<(), Infallible>>()
    });
    let mut connecting = task::spawn(second().layer(blocks).call(()));
    assert!(assert_ready!(connecting.poll()).is_err());

    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let held = Mutex::new(Some(held));
    let (probe, _handle) = Probe::new(move |_: ()| Reply::Now(Ok(held.lock().unwrap().take())));
    let mut connecting = task::spawn(second().layer(probe).call(()));
    drop(assert_ready!(connecting.poll()).unwrap());
    assert_eq!(weak.strong_count(), 0);
}

/// The call that asked for the connection has its own limit; another may yet use it.
#[tokio::test(start_paused = true)]
async fn the_ambient_deadline_does_not_cut_a_connection() {
    let (probe, _handle) = Probe::new(|_: ()| Reply::After(SECOND, Ok(())));
    let mut service = second().layer(probe);
    let soon = Some(Deadline::after(SECOND / 2));
    Deadline::scoped(soon, service.call(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_config_error_and_max_is_never() {
    let error = ConnectTimeoutLayer::new(Duration::ZERO).unwrap_err();
    assert_eq!((error.setting(), error.value()), ("limit", "0s"));
    let day = SECOND * 86_400;
    let (probe, _handle) = Probe::new(move |_: ()| Reply::After(day, Ok(())));
    ConnectTimeoutLayer::new(Duration::MAX).unwrap().layer(probe).oneshot(()).await.unwrap();
}

/// hyper-util asks for a future that is `Unpin`, and reqwest for one layer around any request.
#[tokio::test]
async fn auto_traits() {
    fn assert_unpin(_: &impl Unpin) {}
    let layer = second();
    assert_layer_traits(&layer);
    let mut service =
        layer.layer(service_fn(async |_: Uri| pending::<Result<(), Infallible>>().await));
    assert_service_traits(&service);
    let connecting = service.call(Uri::from_static("http://pricing.internal"));
    assert_future_traits(&connecting);
    assert_unpin(&connecting);
}
