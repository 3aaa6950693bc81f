//! Faults that were found in other bulkheads, each by its name.

use std::{convert::Infallible, time::Duration};

use buttress_bulkhead::BulkheadLayer;
use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{
    BodyStep, Probe, Readiness, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use http::Response;
use http_body_util::BodyExt;
use tokio::time::{advance, sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_permit_given_back_when_the_head_arrives() {
    use BodyStep::{Data, Error, Hang, Trailers};

    let layer = BulkheadLayer::builder().max_concurrent(1).protocol(Http::new()).build().unwrap();
    let handle = layer.handle();
    let service = layer.layer(service_fn(async |steps: Vec<BodyStep>| {
        Ok::<_, Infallible>(Response::new(ScriptedBody::new(steps)))
    }));
    let refused = async |when: &str| {
        let error = service.clone().oneshot(vec![]).await.expect_err(when);
        let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
        assert!(matches!(kind, RejectionKind::BulkheadFull { .. }), "{when}");
    };
    let open = async |steps: Vec<BodyStep>| {
        let response = service.clone().oneshot(steps).await.expect("the place came back");
        refused("the head is here, the body is open").await;
        response.into_body()
    };

    // To its end, with and without trailers.
    for last in [vec![], vec![Trailers("grpc-status", "0")]] {
        let mut steps = vec![Data("one"), Data("two")];
        steps.extend(last);
        let mut body = open(steps).await;
        body.frame().await.expect("a frame").unwrap();
        refused("half of it is read").await;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
        }
        assert_eq!(handle.in_flight(), 0, "while the body still exists");
    }
    // Broken off.
    let mut body = open(vec![Data("one"), Error("reset")]).await;
    body.frame().await.expect("a frame").unwrap();
    body.frame().await.expect("a frame").unwrap_err();
    assert_eq!(handle.in_flight(), 0, "while the body still exists");
    // Dropped: unread, half-read, and while it hangs.
    drop(open(vec![Data("one")]).await);
    let mut body = open(vec![Data("one"), Hang]).await;
    body.frame().await.expect("a frame").unwrap();
    timeout(SECOND, body.frame()).await.expect_err("it hangs");
    refused("it hangs").await;
    drop(body);
    assert_eq!(handle.in_flight(), 0);
    // Empty: over with its head.
    let _body = service.clone().oneshot(vec![]).await.unwrap();
    assert_eq!(handle.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_from_a_body_wakes_who_waits() {
    let layer = BulkheadLayer::builder()
        .max_concurrent(1)
        .max_wait(SECOND)
        .protocol(Http::new())
        .build()
        .unwrap();
    let mut service = layer.layer(service_fn(async |_: ()| {
        Ok::<_, Infallible>(Response::new(ScriptedBody::new([BodyStep::Data("one")])))
    }));
    let first = service.call(()).await.unwrap();
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    first.into_body().collect().await.unwrap();
    assert!(second.is_woken());
    assert_ready!(second.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn state_created_per_layer_call() {
    let layer = BulkheadLayer::new(1).unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut routes: Vec<_> = (0..8).map(|_| layer.layer(probe.clone())).collect();
    let calls: Vec<_> = routes.iter_mut().map(|route| route.call(())).collect();
    assert_eq!(inner.calls(), 1, "of one layer, whatever it is applied to");
    drop(calls);

    let isolated = layer.isolated();
    let _one = layer.clone().layer(probe.clone()).call(());
    let _other = isolated.layer(probe).call(());
    assert_eq!(inner.in_flight(), 2);
    assert_eq!((layer.handle().in_flight(), isolated.handle().in_flight()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_duration_of_max_that_overflows() {
    let far = Deadline::after(Duration::MAX);
    for max_wait in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        for ambient in [None, Some(far)] {
            let layer = BulkheadLayer::builder()
                .max_concurrent(1)
                .max_wait(max_wait)
                .max_queue(1_000_000)
                .build()
                .unwrap();
            let mut service = layer.layer(service_fn(async |takes| {
                sleep(takes).await;
                Ok::<_, BoxError>(())
            }));
            let day = Duration::from_secs(86_400);
            let first = service.call(day);
            let second = Deadline::scope(ambient, || service.call(SECOND));
            let (first, second) = tokio::join!(first, second);
            assert!(first.is_ok() && second.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_readied_clone_that_keeps_a_permit_while_it_is_being_rejected() {
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(SECOND).build().unwrap();
    let mut service = layer.layer(probe);
    let _first = service.call(());
    let waiting = service.call(());
    let refused = service.call(());
    assert_eq!((inner.calls(), inner.reserved()), (1, 0), "neither waiting nor refused");
    drop((waiting, refused));
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_that_waits_for_an_inner_service_that_is_not_ready() {
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    inner.set_readiness(Readiness::Pending);
    let mut service = BulkheadLayer::new(1).unwrap().layer(probe);
    let mut first = task::spawn(service.call(()));
    assert_pending!(first.poll());
    let mut second = task::spawn(service.call(()));
    assert!(second.poll().is_ready(), "refused at once");
    advance(SECOND).await;
    drop(first);
    inner.set_readiness(Readiness::Ready);
    assert_pending!(task::spawn(service.call(())).poll());
}

/// A limit outside may be polled before the queue's own timer has fired, though both are of one
/// moment. It must not look as if the dependency had been called and had taken too long.
#[tokio::test(start_paused = true)]
async fn a_wait_that_outlived_its_deadline_blames_nobody_else() {
    let layer = BulkheadLayer::builder().max_concurrent(1).max_wait(60 * SECOND).build().unwrap();
    let (probe, inner) = Probe::new(|_: ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let mut first = task::spawn(service.call(()));
    assert_pending!(first.poll());
    let deadline = Deadline::after(SECOND);
    let mut waiting = task::spawn(Deadline::scope(Some(deadline), || service.call(())));
    assert_pending!(waiting.poll());

    // The first poll moves the clock, and only what follows it fires the timers.
    let mut step = task::spawn(advance(SECOND));
    assert_pending!(step.poll());
    assert!(!waiting.is_woken(), "its timer has not fired");
    let error = assert_ready!(waiting.poll()).unwrap_err();
    let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
    assert_eq!(kind, &RejectionKind::DeadlineExceeded { called: false });
    assert_eq!(inner.calls(), 1);
}
