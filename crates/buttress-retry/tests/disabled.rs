//! A layer that is switched off is as if it were not there.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buttress_core::{BoxError, Judgement};
use buttress_http::Http;
use buttress_retry::{JitteredRetryLayer, RetryBudget, Terms};
use buttress_testkit::{Probe, Recorder, ScriptedBody, http_differs, plain_differs};
use http::{Request, Response};
use tower::Layer;

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let (recorder, budget) = (Recorder::new(), RetryBudget::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let [judged, termed] = [(); 2].map(|()| Arc::clone(&asked));
    let on = JitteredRetryLayer::builder()
        .budget(budget.clone())
        .classify(move |result: Result<&u64, &BoxError>| {
            judged.fetch_add(1, Ordering::Relaxed);
            result.map_or(Judgement::FAILURE, |_| Judgement::SUCCESS)
        })
        .per_request(move |_: &u64| {
            termed.fetch_add(1, Ordering::Relaxed);
            Terms::new()
        })
        .rng(1)
        .observer(recorder.clone())
        .build()
        .unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    assert!(!recorder.take().is_empty());

    asked.store(0, Ordering::Relaxed);
    let before = format!("{budget:?}");
    let off = on.clone().disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is judged or given terms");
    assert_eq!(recorder.take(), [""; 0]);
    assert_eq!(format!("{:?}", off.budget().unwrap()), before, "the same, and untouched");
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "and the other is still on");
}

#[tokio::test(start_paused = true)]
async fn requests_and_responses_pass_as_if_it_were_not_there() {
    type Inner = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;
    let recorder = Recorder::new();
    let builder = JitteredRetryLayer::builder().protocol(Http::new()).rng(1);
    let on = builder.observer(recorder.clone()).build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let off = on.disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
    assert_eq!(recorder.take(), [""; 0]);
}
