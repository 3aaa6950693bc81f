//! A layer that is switched off is as if it were not there.

use std::time::Duration;

use buttress_breaker::{BreakerLayer, Window};
use buttress_core::{BoxError, CircuitState, Judgement};
use buttress_http::Http;
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, ScriptedBody, assert_ready, http_differs, plain_differs,
    task,
};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

type Inner = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let builder = || {
        let window = Window::last(Duration::from_secs(10));
        let slow = Duration::from_millis(5);
        let builder = BreakerLayer::builder().consecutive_failures(1).slow_call_rate(0.1, slow);
        builder.window(window).observer(recorder.clone())
    };
    let on = builder().build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    let before = format!("{:?}", on.handle().snapshot());
    assert!(!recorder.take().is_empty());

    // What would judge is not asked, nor what is to happen to those who are given up.
    let judge = |_: Result<&u64, &BoxError>| -> Judgement { panic!("nobody is judged") };
    let off = builder().classify(judge).build().unwrap().disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    let seen = off.handle().snapshot();
    assert_eq!((seen.state, seen.calls, seen.generation), (CircuitState::Closed, 0, 0));
    assert_eq!(recorder.take(), [""; 0]);
    let _off = on.clone().disabled();
    assert_eq!(format!("{:?}", on.handle().snapshot()), before, "that one is left as it was");
}

#[tokio::test(start_paused = true)]
async fn responses_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let on = BreakerLayer::builder().consecutive_failures(1).protocol(Http::new());
    let on = on.observer(recorder.clone()).build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    // One of its own is off like the layer that it is made of.
    let off = on.disabled();
    for off in [off.isolated(), off] {
        assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
        assert_eq!(off.handle().state(), CircuitState::Closed);
    }
    assert_eq!(recorder.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_whatever_is_inside_and_whatever_an_operator_says() {
    let off = BreakerLayer::builder().readiness().build().unwrap().disabled();
    off.handle().force_open();
    let (probe, inner) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    inner.set_readiness(Readiness::Pending);
    let mut service = off.layer(probe);
    assert_ready!(task::spawn(service.ready()).poll()).unwrap();
    assert_eq!(inner.reserved(), 0, "nothing is claimed before there is a call");
    inner.set_readiness(Readiness::Ready);
    assert_eq!(service.call(7).await.unwrap(), 7, "no call belongs to that circuit");
    assert_eq!(off.handle().state(), CircuitState::Open, "who looks sees what he did");
}

#[cfg(feature = "keyed")]
#[tokio::test(start_paused = true)]
async fn calls_have_no_key() {
    let builder = || BreakerLayer::builder().consecutive_failures(1).readiness();
    let key = |_: &u64| -> u8 { panic!("nobody is asked for his key") };
    let off = builder().keyed(key).build().unwrap().disabled();
    for off in [off.isolated(), off] {
        assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
        assert!(off.handle().is_empty());
    }
    let on = builder().keyed(|n: &u64| *n % 2).build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some());
    let keys = on.handle().len();
    assert_eq!(keys, 2);
    let _off = on.clone().disabled();
    assert_eq!(on.handle().len(), keys, "that one is left as it was");
}

/// A setting decides: both are of one type.
#[tokio::test]
async fn a_setting_can_decide() {
    for on in [true, false] {
        let layer = BreakerLayer::builder().consecutive_failures(1).build().unwrap();
        let layer = if on { layer } else { layer.disabled() };
        let service = layer.layer(service_fn(async |_: ()| Err::<(), BoxError>("down".into())));
        service.clone().oneshot(()).await.unwrap_err();
        let refused = service.oneshot(()).await.unwrap_err().to_string() != "down";
        assert_eq!(refused, on);
    }
}
