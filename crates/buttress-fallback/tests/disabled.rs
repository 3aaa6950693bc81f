//! A layer that is switched off is as if it were not there.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{BoxError, Classify, Encoded, Judgement, Key, Plain};
use buttress_fallback::{Failure, FallbackLayer, LastKnownGood, Store};
use buttress_http::Http;
use buttress_testkit::{Probe, Recorder, ScriptedBody, http_differs, plain_differs};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::Layer;

type Inner = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

/// A store that counts what it is asked.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<u32>>);

impl Store for Counting {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        *self.0.lock().unwrap() += 1;
        Ok(None)
    }

    async fn put(&self, _key: &str, _value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let (recorder, store) = (Recorder::new(), Counting::default());
    let seen = Arc::<Mutex<u32>>::default();
    let [views, judged] = [(); 2].map(|()| Arc::clone(&seen));
    let values = Encoded::new(
        |n: &u64| Ok(n.to_be_bytes().to_vec()),
        |bytes: &[u8]| Ok(u64::from_be_bytes(bytes.try_into()?)),
    );
    let on = FallbackLayer::builder()
        .protocol(values)
        .classify(move |result: Result<&u64, &BoxError>| -> Judgement {
            *judged.lock().unwrap() += 1;
            Plain.classify(result)
        })
        .keep(move |n: &u64| {
            *views.lock().unwrap() += 1;
            *n
        })
        .last_known_good(
            "last",
            LastKnownGood::new(store.clone(), |n: &u64| Some(Key::from(n.to_string()))),
        )
        .value("zero", |_: &u64, _: &Failure<'_>| 0)
        .observer(recorder.clone())
        .build()
        .unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    assert!(!recorder.take().is_empty());
    for count in [&store.0, &seen] {
        assert!(std::mem::take(&mut *count.lock().unwrap()) > 0);
    }
    let off = on.clone().disabled();
    assert_eq!(plain_differs(|inner| off.clone().layer(inner)).await, None);
    let counts = [&store.0, &seen].map(|count| *count.lock().unwrap());
    assert_eq!(counts, [0, 0], "nothing is stored or looked up, viewed or judged");
    assert_eq!(recorder.take(), [""; 0]);
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "and the other is still on");
}

#[tokio::test(start_paused = true)]
async fn responses_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let on = FallbackLayer::builder()
        .value("nothing", |_: &(), _: &Failure<'_>| Response::new(Full::<Bytes>::default()))
        .protocol(Http::new())
        .observer(recorder.clone())
        .build()
        .unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    recorder.take();
    let off = on.disabled();
    assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
    assert_eq!(recorder.take(), [""; 0]);
}
