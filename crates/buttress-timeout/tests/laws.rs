//! The laws of the timeout layer, as properties over a paused clock.

use std::{convert::Infallible, time::Duration};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply};
use buttress_timeout::TimeoutLayer;
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};

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

    let day = Duration::from_secs(86_400);
    for never in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        let (probe, _handle) = Probe::new(move |(): ()| Reply::After(day, Ok(())));
        TimeoutLayer::new(never).unwrap().layer(probe).oneshot(()).await.unwrap();
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
