//! Bodies that are read when the task that answered is long over.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use buttress_bulkhead::BulkheadLayer;
use buttress_http::Http;
use buttress_testkit::{
    BodyStep::{self, Data, Error, Hang},
    ScriptedBody, assert_pending, task,
};
use http::Response;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::apart::{Apart, until, within_patience};

#[tokio::test]
async fn a_body_keeps_the_place_that_the_task_had() {
    let apart = Apart::new("apart");
    let layer = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new());
    let layer = layer.on_runtime(apart.handle()).build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(async |steps: Vec<BodyStep>| {
        Ok::<_, Infallible>(Response::new(ScriptedBody::new(steps)))
    }));
    let mut open = async |steps| within_patience(service.call(steps)).await;

    // To its end, also of one that breaks off.
    for last in [Data("two"), Error("reset")] {
        let mut body = open(vec![Data("one"), last]).await.unwrap().into_body();
        body.frame().await.expect("a frame").unwrap();
        assert_eq!(handle.in_flight(), 1);
        open(vec![]).await.expect_err("refused");
        let _ = body.frame().await.expect("a frame");
        assert_eq!(handle.in_flight(), 0, "while the body still exists");
    }
    // Dropped half-read, and unread.
    let mut body = open(vec![Data("one"), Hang]).await.unwrap().into_body();
    body.frame().await.expect("a frame").unwrap();
    assert_eq!(handle.in_flight(), 1);
    drop(body);
    assert_eq!(handle.in_flight(), 0);
    drop(open(vec![Hang]).await.unwrap());
    assert_eq!(handle.in_flight(), 0);
    // Empty: over with its head.
    let _empty = open(vec![]).await.unwrap();
    assert_eq!(handle.in_flight(), 0);

    // The runtime has nothing more to do with a body that is out.
    let body = open(vec![Data("one"), Data("two")]).await.unwrap().into_body();
    drop(apart);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "onetwo");
    assert_eq!(handle.in_flight(), 0);
}

/// The task has ended, and its answer lies where nobody takes it: it has its place, and goes with the
/// call.
#[tokio::test]
async fn an_answer_that_nobody_took_goes_with_the_call() {
    let apart = Apart::new("apart");
    let answered = Arc::new(Mutex::new(None::<Arc<AtomicBool>>));
    let layer = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new());
    let layer = layer.on_runtime(apart.handle()).build().unwrap();
    let answers = Arc::clone(&answered);
    let service = layer.layer(service_fn(move |()| {
        let body = ScriptedBody::new([Hang]);
        *answers.lock().unwrap() = Some(body.dropped());
        async { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let mut call = task::spawn(service.oneshot(()));
    // Its thread is busy, so that it can not have answered yet.
    let release = apart.block();
    assert_pending!(call.poll());
    release.send(()).unwrap();
    until("the task has ended", || call.is_woken()).await;
    let dropped = answered.lock().unwrap().take().expect("it was called");
    assert_eq!((dropped.load(Ordering::SeqCst), layer.handle().in_flight()), (false, 1));
    drop(call);
    assert_eq!((dropped.load(Ordering::SeqCst), layer.handle().in_flight()), (true, 0));
}
