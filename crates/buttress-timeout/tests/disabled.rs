//! A layer that is switched off is as if it were not there.

use std::time::Duration;

use buttress_http::Http;
use buttress_testkit::{Probe, Recorder, ScriptedBody, http_differs, plain_differs};
use buttress_timeout::{ConnectTimeoutLayer, TimeoutLayer, TimeoutLayerBuilder, TimeoutSnapshot};
use http::{Request, Response};
use tower::Layer;

type Inner = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

const MILLI: Duration = Duration::from_millis(1);

fn limits(recorder: &Recorder) -> TimeoutLayerBuilder {
    let builder = TimeoutLayer::builder().overall(5 * MILLI).response(3 * MILLI).read(2 * MILLI);
    builder.observer(recorder.clone())
}

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    // Nobody asks either what a request is allowed.
    let layer = || limits(&recorder).per_request(|n: &u64| Some(MILLI * u32::from(*n > 9)));
    let on = layer().build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    let before = on.handle().snapshot();
    assert!(!recorder.take().is_empty());

    let off = layer().build().unwrap().disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    assert_eq!(off.handle().snapshot(), TimeoutSnapshot::default());
    assert_eq!(recorder.take(), [""; 0]);
    // The one that it is made of is left as it was.
    let _off = on.clone().disabled();
    assert_eq!((on.handle().snapshot(), off.handle().name()), (before, "timeout"));
}

#[tokio::test(start_paused = true)]
async fn responses_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let on = limits(&recorder).protocol(Http::new()).build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let off = on.disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
    assert_eq!(off.handle().snapshot(), TimeoutSnapshot::default());
    assert_eq!(recorder.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn connections_are_made_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let on = ConnectTimeoutLayer::new(5 * MILLI).unwrap().observer(recorder.clone());
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let off = on.disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    assert_eq!(recorder.take(), [""; 0]);
}
