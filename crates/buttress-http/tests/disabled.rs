//! A layer that is switched off is as if it were not there.

use std::time::Duration;

use buttress_core::Deadline;
use buttress_http::{
    AcceptDeadlineLayer, IdempotencyKeyLayer, SendDeadlineLayer, TransferTimeoutLayer, Watched,
    accept_deadline::AcceptDeadlineSnapshot, send_deadline::SendDeadlineSnapshot,
    transfer_timeout::TransferTimeoutSnapshot,
};
use buttress_testkit::{
    Probe, Readiness, Recorder, ScriptedBody, assert_ready, http_differs, task,
};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

type Inner<B = ScriptedBody> = Probe<Request<B>, Response<ScriptedBody>>;

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn transfers_take_any_time() {
    let recorder = Recorder::new();
    let on = TransferTimeoutLayer::builder().write(MILLI).idle(3 * MILLI);
    let on = on.observer(recorder.clone()).build().unwrap();
    let wrap = |inner: Inner<Watched<ScriptedBody>>| on.layer(inner);
    assert!(http_differs(wrap).await.is_some(), "the test sees that it is on");
    recorder.take();
    let before = on.handle().snapshot();
    let off = on.clone().disabled();
    assert_eq!(http_differs(|inner: Inner<Watched<ScriptedBody>>| off.layer(inner)).await, None);
    assert_eq!(off.handle().snapshot(), TransferTimeoutSnapshot::default());
    assert_eq!(recorder.take(), [""; 0]);
    assert_eq!(on.handle().snapshot(), before, "that one is left as it was");
}

#[tokio::test(start_paused = true)]
async fn no_deadline_is_accepted() {
    let recorder = Recorder::new();
    let on = AcceptDeadlineLayer::builder().max(9 * MILLI).observer(recorder.clone());
    let on = on.build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let before = on.handle().snapshot();
    let off = on.clone().disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
    assert_eq!(off.handle().snapshot(), AcceptDeadlineSnapshot::default());
    assert_eq!(recorder.take(), [""; 0]);
    assert_eq!(on.handle().snapshot(), before, "that one is left as it was");
}

#[tokio::test(start_paused = true)]
async fn no_deadline_is_sent() {
    let recorder = Recorder::new();
    let on = SendDeadlineLayer::builder().observer(recorder.clone()).build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let before = on.handle().snapshot();
    let off = on.clone().disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
    assert_eq!(off.handle().snapshot(), SendDeadlineSnapshot::default());
    assert_eq!(recorder.take(), [""; 0]);
    assert_eq!(on.handle().snapshot(), before, "that one is left as it was");
}

#[tokio::test(start_paused = true)]
async fn no_key_is_given() {
    let on = IdempotencyKeyLayer::builder().rng(7).build();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    let off = on.disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
}

/// Those that are always ready stay so, and claim what is inside in the call.
#[tokio::test(start_paused = true)]
async fn they_are_ready_whatever_is_inside() {
    fn is_ready<S: Service<Request<ScriptedBody>>>(mut service: S) -> S::Future {
        assert!(assert_ready!(task::spawn(service.ready()).poll()).is_ok());
        Deadline::scope(Some(Deadline::after(MILLI)), || {
            service.call(Request::new(ScriptedBody::default()))
        })
    }
    let (probe, handle) = Probe::new(|_: Request<ScriptedBody>| {
        buttress_testkit::Reply::Now(Ok(Response::new(ScriptedBody::default())))
    });
    handle.set_readiness(Readiness::Pending);
    let accept = is_ready(AcceptDeadlineLayer::new().disabled().layer(probe.clone()));
    let send = is_ready(SendDeadlineLayer::new().disabled().layer(probe));
    tokio::time::advance(9 * MILLI).await;
    handle.set_readiness(Readiness::Ready);
    // Though time is up by now, for nobody looks at it.
    accept.await.unwrap();
    send.await.unwrap();
    assert_eq!(handle.calls(), 2);
}
