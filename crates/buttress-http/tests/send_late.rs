//! A gRPC client that ends its call by the header that it sends has an error of its own for it.

use std::time::Duration;

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::SendDeadlineLayer;
use buttress_testkit::{Probe, Recorder, Reply};
use buttress_timeout::TimeoutLayer;
use http::{Request, header::CONTENT_TYPE};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// What a call that has `remaining` ends with, if the client fails after `takes`.
async fn failed(
    layer: &SendDeadlineLayer,
    content_type: &'static str,
    remaining: Duration,
    takes: Duration,
) -> BoxError {
    let (fails, _handle) =
        Probe::new(move |_: Request<()>| Reply::<()>::After(takes, Err("transport error".into())));
    let request = Request::builder().header(CONTENT_TYPE, content_type).body(()).unwrap();
    let call = layer.layer(fails).oneshot(request);
    Deadline::scoped(Some(Deadline::after(remaining)), call).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_a_grpc_client_fails_with_when_its_time_is_up_is_that() {
    let recorder = Recorder::new();
    let layer = SendDeadlineLayer::builder().observer(recorder.clone()).build().unwrap();
    // Of more than 99,999,999 µs whole milliseconds are sent, and then the client is early.
    let long = Duration::from_micros(150_000_500);
    for (remaining, takes) in [(SECOND, SECOND), (SECOND, 2 * SECOND), (long, 150 * SECOND)] {
        let error = failed(&layer, "application/grpc", remaining, takes).await;
        let rejection = Rejection::find(error.as_ref()).expect("a rejection");
        assert_eq!(rejection.kind(), &RejectionKind::DeadlineExceeded { called: true });
        assert_eq!(error.source().unwrap().to_string(), "transport error");
        let said = "send-deadline send-deadline: rejected: the deadline passed during the call";
        assert_eq!(recorder.take(), [said]);
    }
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.late, snapshot.refused), (3, 0));
}

/// A failure before the time is up is what it says, and so is that of a client which knows nothing
/// of the header.
#[tokio::test(start_paused = true)]
async fn what_fails_for_another_reason_passes_untouched() {
    let layer = SendDeadlineLayer::new();
    let early = Duration::from_millis(999);
    for (content_type, takes) in [
        ("application/grpc", early),
        ("application/grpc", Duration::ZERO),
        ("application/json", SECOND),
        ("application/grpc-web", SECOND),
    ] {
        let error = failed(&layer, content_type, SECOND, takes).await;
        assert!(Rejection::find(error.as_ref()).is_none(), "{content_type} after {takes:?}");
        assert_eq!(error.to_string(), "transport error");
    }
    assert_eq!(layer.handle().snapshot().late, 0);
}

/// What carries the header and is not gRPC does not go by it.
#[tokio::test(start_paused = true)]
async fn a_grpc_timeout_alone_does_not_make_it_grpc() {
    let (fails, _handle) =
        Probe::new(|_: Request<()>| Reply::<()>::After(SECOND, Err("transport error".into())));
    let request = Request::builder().header("grpc-timeout", "1S").body(()).unwrap();
    let call = SendDeadlineLayer::new().layer(fails).oneshot(request);
    let error = Deadline::scoped(Some(Deadline::after(SECOND)), call).await.unwrap_err();
    assert_eq!(error.to_string(), "transport error");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_from_inside_stays_whose_it_was() {
    let (hangs, _handle) = Probe::new(|_: Request<()>| Reply::<()>::Never);
    let inside = TimeoutLayer::builder().overall(SECOND).name("inside").build().unwrap();
    let layer = SendDeadlineLayer::new();
    let request = Request::builder().header(CONTENT_TYPE, "application/grpc").body(()).unwrap();
    let call = layer.layer(inside.layer(hangs)).oneshot(request);
    let deadline = Some(Deadline::after(SECOND));
    let error = Deadline::scoped(deadline, call).await.unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "inside");
    assert_eq!(layer.handle().snapshot().late, 0);
}

/// The request may ask for less itself, as tonic's `set_timeout` has it: then nobody outside ends it at
/// that time, and it is not left to him.
#[tokio::test(start_paused = true)]
async fn less_time_that_the_request_asked_for_is_not_left_to_the_limit_outside() {
    let (fails, _handle) =
        Probe::new(|_: Request<()>| Reply::<()>::After(SECOND, Err("transport error".into())));
    let outside = TimeoutLayer::new(30 * SECOND).unwrap();
    let request = Request::builder().header(CONTENT_TYPE, "application/grpc");
    let request = request.header("grpc-timeout", "1S").body(()).unwrap();
    let begun = Instant::now();
    let call = outside.layer(SendDeadlineLayer::new().layer(fails)).oneshot(request);
    let error = call.await.unwrap_err();
    assert_eq!(begun.elapsed(), SECOND);
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    assert_eq!(rejection.kind(), &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!(rejection.name(), "send-deadline");
}
