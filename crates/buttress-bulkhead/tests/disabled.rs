//! A layer that is switched off is as if it were not there.

use std::{thread, time::Duration};

use buttress_bulkhead::{BulkheadLayer, BulkheadSnapshot, Limit, Sample};
use buttress_core::BoxError;
use buttress_http::Http;
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, ScriptedBody, assert_ready, http_differs, plain_differs,
    task,
};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

type Inner = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

fn nothing_happened(seen: &BulkheadSnapshot) {
    let fresh = BulkheadLayer::new(seen.limit).unwrap().handle().snapshot();
    assert_eq!(format!("{seen:?}"), format!("{fresh:?}"));
}

/// A limit that wants to know of each call.
#[derive(Clone)]
struct Curious;

impl Limit for Curious {
    fn current(&self) -> usize {
        1
    }

    fn learn(&mut self, _sample: &Sample) {
        panic!("nobody is measured");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let builder = || BulkheadLayer::builder().max_wait(Duration::from_millis(3));
    let on = builder().max_concurrent(1).observer(recorder.clone()).build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    let before = format!("{:?}", on.handle());
    assert!(!recorder.take().is_empty());

    let off = builder().limit(Curious).observer(recorder.clone()).build().unwrap();
    let off = off.disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    nothing_happened(&off.handle().snapshot());
    assert_eq!(recorder.take(), [""; 0]);
    let _off = on.clone().disabled();
    assert_eq!(format!("{:?}", on.handle()), before, "that one is left as it was");
}

#[tokio::test(start_paused = true)]
async fn responses_pass_as_if_it_were_not_there() {
    let on = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new()).build().unwrap();
    assert!(http_differs(|inner: Inner| on.layer(inner)).await.is_some(), "it is seen");
    // One of its own is off like the layer that it is made of.
    let off = on.disabled();
    for off in [off.isolated(), off] {
        assert_eq!(http_differs(|inner: Inner| off.layer(inner)).await, None);
        nothing_happened(&off.handle().snapshot());
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_whatever_is_inside() {
    let off = BulkheadLayer::builder().max_concurrent(1).backpressure().build().unwrap();
    let off = off.disabled();
    let (probe, inner) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    inner.set_readiness(Readiness::Pending);
    let mut services = [(); 2].map(|()| off.layer(probe.clone()));
    for service in &mut services {
        assert_ready!(task::spawn(service.ready()).poll()).unwrap();
    }
    assert_eq!((off.handle().in_flight(), inner.reserved()), (0, 0), "and nothing is held for it");
    inner.set_readiness(Readiness::Ready);
    for service in &mut services {
        assert_eq!(service.call(7).await.unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_in_no_compartment() {
    let on = BulkheadLayer::compartments(|_: &u64| "email").compartment(("email", 1));
    let on = on.build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some());
    // Its name would be one that there is not.
    let off = BulkheadLayer::compartments(|_: &u64| "fax").compartment(("email", 1));
    let off = off.build().unwrap().disabled();
    for off in [off.isolated(), off] {
        assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
        assert_eq!((off.handle().unknown(), off.handle().names().count()), (0, 1));
        nothing_happened(&off.handle().get("email").unwrap().snapshot());
    }
}

#[cfg(feature = "keyed")]
#[tokio::test(start_paused = true)]
async fn calls_have_no_key() {
    let key = |_: &u64| -> u8 { panic!("nobody is asked for his key") };
    let off = BulkheadLayer::builder().max_concurrent(1).keyed(key).build().unwrap().disabled();
    for off in [off.isolated(), off] {
        assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
        assert!(off.handle().is_empty());
    }
}

/// Where the layer has a runtime, calls run in place: on the thread of their caller, and panic there.
#[test]
fn calls_run_on_no_runtime() {
    let apart = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut here = tokio::runtime::Builder::new_current_thread();
    let here = here.enable_all().start_paused(true).build().unwrap();
    let layer = BulkheadLayer::builder().max_concurrent(1).on_runtime(apart.handle().clone());
    let on = layer.build().unwrap();
    let off = on.clone().disabled();
    here.block_on(async {
        let thread = service_fn(async |_: ()| Ok::<_, BoxError>(thread::current().id()));
        assert_ne!(on.layer(thread).oneshot(()).await.unwrap(), thread::current().id());
        assert_eq!(off.layer(thread).oneshot(()).await.unwrap(), thread::current().id());
        assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
    });
    nothing_happened(&off.handle().snapshot());
}
