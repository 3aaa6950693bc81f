//! A dependency that says when to come back.

use std::time::Duration;

use buttress_core::{BoxError, Deadline, Judgement};
use buttress_retry::{Backoff, Jitter, JitteredRetryLayer};
use buttress_testkit::{Probe, Recorder, Reply};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn fails() -> Probe<(), ()> {
    Probe::new(|(): ()| Reply::Now(Err("it failed".into()))).0
}

/// Hints are waited for where they are longer than the backoff, up to half a minute; they do not
/// bypass the maximum.
#[tokio::test(start_paused = true)]
async fn a_hint_lengthens_the_wait_up_to_a_limit() {
    let year = Duration::from_secs(31_536_000);
    let too_long = "retry retry: gave up after 1: \
                    the dependency asks for more time than may be waited";
    for (hint, waited) in [
        (None, 1),
        (Some(Duration::ZERO), 1),
        (Some(SECOND / 2), 1),
        (Some(7 * SECOND), 7),
        (Some(30 * SECOND), 30),
        (Some(30 * SECOND + Duration::from_nanos(1)), 0),
        (Some(year), 0),
        (Some(Duration::MAX), 0),
    ] {
        let recorder = Recorder::new();
        let layer = JitteredRetryLayer::builder()
            .max_attempts(2)
            .backoff(Backoff::exponential(SECOND, Duration::MAX))
            .jitter(Jitter::None)
            .classify(move |_: Result<&(), &BoxError>| Judgement::FAILURE.after(hint))
            .observer(recorder.clone())
            .build()
            .unwrap();
        let start = Instant::now();
        layer.layer(fails()).oneshot(()).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), waited, "{hint:?}");
        let stopped = recorder.take().iter().any(|line| line == too_long);
        assert_eq!(stopped, waited == 0, "{hint:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_clamped_to_the_deadline() {
    let layer = JitteredRetryLayer::builder()
        .classify(|_: Result<&(), &BoxError>| Judgement::FAILURE.after(Some(9 * SECOND)))
        .build()
        .unwrap();
    let start = Instant::now();
    let mut service = layer.layer(fails());
    let deadline = Deadline::after(9 * SECOND);
    Deadline::scope(Some(deadline), || service.call(())).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO, "it would begin at the deadline");
}
