//! The laws of the timeout layer, as properties over a paused clock.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_testkit::{Probe, Readiness, Reply, assert_pending, assert_ready, task};
use buttress_timeout::{ConnectTimeoutLayer, TimeoutLayer};
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, sleep},
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn,
    util::BoxService,
};

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn millis(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

proptest! {
    /// A call ends when its answer is there or its time is up, whichever comes first; at the
    /// same moment, the answer wins.
    #[test]
    fn ends_at_the_answer_or_at_the_limit(
        limit in millis(1..=50),
        takes in millis(0..=50),
    ) {
        paused().block_on(async {
            let (probe, handle) = Probe::new(move |(): ()| Reply::After(takes, Ok(())));
            let service = TimeoutLayer::new(limit).unwrap().layer(probe);
            let start = Instant::now();
            let result = service.oneshot(()).await;
            prop_assert_eq!(start.elapsed(), takes.min(limit));
            prop_assert_eq!(result.is_ok(), takes <= limit);
            prop_assert_eq!(handle.dropped(), usize::from(takes > limit));
            Ok(())
        })?;
    }

    /// However layers nest, what runs inside sees the soonest deadline, and the call is cut by
    /// the one whose limit it was.
    #[test]
    fn a_child_is_never_later_than_its_parent(
        outer in millis(1..=50),
        before in millis(0..=60),
        inner in millis(1..=50),
    ) {
        paused().block_on(async {
            let innermost = service_fn(|_: ()| async {
                sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(())
            });
            let child = TimeoutLayer::builder().overall(inner).name("child").build().unwrap();
            let child = child.layer(innermost);
            let parent = TimeoutLayer::builder().overall(outer).name("parent").build().unwrap();
            let service = parent.layer(service_fn(move |_: ()| {
                let mut child = child.clone();
                async move {
                    sleep(before).await;
                    let remaining = Deadline::current().expect("the parent's").remaining();
                    assert_eq!(remaining, outer.saturating_sub(before));
                    child.call(()).await
                }
            }));
            let start = Instant::now();
            let error = service.oneshot(()).await.unwrap_err();
            prop_assert_eq!(start.elapsed(), outer.min(before + inner));
            if before + inner < outer {
                let cut = matches!(kind(&error), RejectionKind::TimedOut { limit, .. } if *limit == inner);
                prop_assert!(cut, "{error}");
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn past_deadlines_are_refused_before_calling() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = TimeoutLayer::new(Duration::from_secs(9)).unwrap().layer(probe);
    let past = Deadline::after(Duration::ZERO);
    let error = Deadline::scope(Some(past), || service.call(())).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
    assert_eq!(handle.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_ambient_deadline_cuts_and_says_so() {
    let (probe, _handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = TimeoutLayer::builder().build().unwrap().layer(probe);
    let ambient = Deadline::after(Duration::from_secs(1));
    let error = Deadline::scope(Some(ambient), || service.call(())).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: true });
    assert!(ambient.is_past());
}

#[tokio::test(start_paused = true)]
async fn each_request_its_own_time() {
    let layer = TimeoutLayer::builder()
        .overall(Duration::from_secs(5))
        .per_request(|seconds: &Option<u64>| seconds.map(Duration::from_secs))
        .build()
        .unwrap();
    let (probe, _handle) = Probe::new(|_: Option<u64>| Reply::<()>::Never);
    let service = layer.layer(probe);
    for (allowed, ends) in [(Some(2), 2), (None, 5), (Some(9), 9), (Some(0), 0)] {
        let start = Instant::now();
        service.clone().oneshot(allowed).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(ends), "{allowed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_config_error_and_max_is_never() {
    let error = TimeoutLayer::new(Duration::ZERO).unwrap_err();
    assert_eq!((error.setting(), error.value()), ("overall", "0s"));
    let error = TimeoutLayer::builder().response(Duration::ZERO).build().unwrap_err();
    assert_eq!((error.setting(), error.value()), ("response", "0s"));
    let error = TimeoutLayer::builder().read(Duration::ZERO).build().unwrap_err();
    assert_eq!((error.setting(), error.value()), ("read", "0s"));

    let day = Duration::from_secs(86_400);
    for never in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        let (probe, _handle) = Probe::new(move |(): ()| Reply::After(day, Ok(())));
        let layer = TimeoutLayer::builder().overall(never).response(never).read(never);
        layer.build().unwrap().layer(probe).oneshot(()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_chain_says_timed_out_to_foreign_code() {
    let (probe, _handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let service = TimeoutLayer::new(Duration::from_secs(1)).unwrap().layer(probe);
    let error = service.oneshot(()).await.unwrap_err();
    let source = error.source().and_then(|s| s.downcast_ref::<std::io::Error>()).unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::TimedOut);
}

/// What is asked inside the call itself, as the layers inside do, sees the deadline; and so does
/// what is dropped, however the call ends.
#[tokio::test(start_paused = true)]
async fn calls_and_drops_are_under_the_deadline() {
    struct Sees(Option<Deadline>);
    impl Drop for Sees {
        fn drop(&mut self) {
            // A second panic would end the whole test program.
            let sees = self.0.is_some() && self.0 == Deadline::current();
            assert!(sees || std::thread::panicking());
        }
    }
    #[derive(Clone)]
    struct Inner;
    impl Service<bool> for Inner {
        type Response = ();
        type Error = Infallible;
        type Future = Answer;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, hangs: bool) -> Answer {
            assert!(Deadline::current().is_some(), "in the call");
            Answer(Sees(Deadline::current()), hangs)
        }
    }
    struct Answer(Sees, bool);
    impl Future for Answer {
        type Output = Result<(), Infallible>;
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            assert!(self.0.0 == Deadline::current());
            if self.1 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }
    }
    let mut service = TimeoutLayer::new(Duration::from_secs(1)).unwrap().layer(Inner);
    let mut answered = task::spawn(service.call(false));
    assert!(assert_ready!(answered.poll()).is_ok());
    let mut cut = task::spawn(service.call(true));
    assert_pending!(cut.poll());
    advance(Duration::from_secs(1)).await;
    assert!(assert_ready!(cut.poll()).is_err());
    let mut dropped = task::spawn(service.call(true));
    assert_pending!(dropped.poll());
    drop(dropped);
    drop(service.call(true));
}

/// tokio lets no timer fire in a task that has used up its turn; the call is cut all the same.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_always_busy_is_cut_too() {
    let (probe, _handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let mut service = TimeoutLayer::new(Duration::from_secs(1)).unwrap().layer(probe);
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    advance(Duration::from_secs(1)).await;
    let polled = poll_fn(|cx| {
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        Poll::Ready(call.poll())
    });
    assert!(assert_ready!(polled.await).is_err());
}

#[test]
fn a_timer_is_made_only_when_the_first_poll_was_pending() {
    // There is no runtime here, and a timer needs one.
    let (probe, _handle) = Probe::new(|_: ()| Reply::Now(Ok(7)));
    let second = Duration::from_secs(1);
    let every = TimeoutLayer::builder().overall(second).response(second).read(second);
    let mut service = every.build().unwrap().layer(probe);
    let mut call = task::spawn(service.call(()));
    assert_eq!(assert_ready!(call.poll()).unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_ready_was_never_called() {
    let (probe, handle) = Probe::new(|_: ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Pending);
    let mut service = TimeoutLayer::builder().build().unwrap().layer(probe);
    let ambient = Deadline::after(Duration::from_secs(1));
    let error = Deadline::scope(Some(ambient), || service.call(())).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: false });
    assert_eq!(handle.calls(), 0);
}

/// What becomes ready only when the time is up is not sent any more, whichever limit it was; at the
/// very moment it is.
#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_not_called() {
    let second = Duration::from_secs(1);
    let overall = TimeoutLayer::new(second).unwrap();
    let response = TimeoutLayer::builder().response(second).build().unwrap();
    let ambient = TimeoutLayer::builder().build().unwrap();
    // Between the limit and what waits there may be layers that know of no deadline.
    let concurrent = ConcurrencyLimitLayer::new(9);
    let nested =
        ServiceBuilder::new().layer(overall.clone()).layer(concurrent).layer(ambient.clone());
    for late in [Duration::ZERO, second] {
        let (probe, handle) = Probe::new(|_: ()| Reply::<()>::Never);
        handle.set_readiness(Readiness::Pending);
        let deadline = Some(Deadline::after(second));
        let mut calls = [
            BoxService::new(overall.layer(probe.clone())).call(()),
            BoxService::new(response.layer(probe.clone())).call(()),
            Deadline::scope(deadline, || BoxService::new(ambient.layer(probe.clone())).call(())),
            BoxService::new(nested.service(probe)).call(()),
        ]
        .map(task::spawn);
        for call in &mut calls {
            assert_pending!(call.poll());
        }
        advance(second + late).await;
        handle.set_readiness(Readiness::Ready);
        let errors = calls.map(|mut call| assert_ready!(call.poll()).unwrap_err());
        let called = late.is_zero();
        assert_eq!((handle.calls(), handle.reserved()), (if called { 4 } else { 0 }, 0));
        assert_eq!(kind(&errors[2]), &RejectionKind::DeadlineExceeded { called });
    }
}

#[tokio::test(start_paused = true)]
async fn never_is_no_deadline_and_a_tie_is_the_layers_own() {
    let current = service_fn(async |_: ()| Ok::<_, Infallible>(Deadline::current()));
    let never = TimeoutLayer::new(Duration::MAX).unwrap().layer(current);
    assert_eq!(never.oneshot(()).await.unwrap(), None);
    let by_request = TimeoutLayer::builder().per_request(|_: &()| Some(Duration::MAX));
    let by_request = by_request.overall(Duration::from_secs(1));
    assert_eq!(by_request.build().unwrap().layer(current).oneshot(()).await.unwrap(), None);

    let (probe, _handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let second = Duration::from_secs(1);
    let mut service = TimeoutLayer::new(second).unwrap().layer(probe);
    let tie = Some(Deadline::after(second));
    let error = Deadline::scope(tie, || service.call(())).await.unwrap_err();
    assert!(matches!(kind(&error), RejectionKind::TimedOut { .. }), "{error}");
}

/// `Duration::MAX` is no limit at all, and not one that is far away: there is no runtime here, and a
/// timer needs one.
#[test]
fn never_makes_no_timer() {
    let never = Duration::MAX;
    let (probe, _handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let layer = TimeoutLayer::builder().overall(never).response(never).build().unwrap();
    assert_pending!(task::spawn(layer.layer(probe.clone()).call(())).poll());
    let connect = ConnectTimeoutLayer::new(never).unwrap();
    assert_pending!(task::spawn(connect.layer(probe).call(())).poll());
}

/// Whoever set the deadline cuts the call only as long as he polls it. Once it goes on in a task of
/// its own, the layer inside does.
#[tokio::test(start_paused = true)]
async fn a_call_that_moves_away_from_under_its_limit_is_cut_all_the_same() {
    let (hangs, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let second = Duration::from_secs(1);
    let inside = TimeoutLayer::new(9 * second).unwrap().layer(hangs);
    let outside = TimeoutLayer::new(second).unwrap().layer(service_fn(move |_: ()| {
        let mut call = Box::pin(inside.clone().call(()));
        async move {
            // Polled once here, under the limit of the one outside.
            let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
            Ok::<_, Infallible>(tokio::spawn(call))
        }
    }));
    let task = outside.oneshot(()).await.unwrap();
    let start = Instant::now();
    let error = task.await.unwrap().unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!((start.elapsed(), handle.dropped()), (second, 1));
}
