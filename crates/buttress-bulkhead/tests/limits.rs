//! Limits that change: by an operator, or because they learn.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_bulkhead::{BulkheadLayer, Limit, Sample};
use buttress_core::{BoxError, Deadline, Judgement, Outcome, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{
    BodyStep, Probe, Readiness, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it is told, and is what it was set to.
#[derive(Clone)]
struct Told {
    limit: Arc<Mutex<usize>>,
    samples: Arc<Mutex<Vec<(Duration, usize, Outcome)>>>,
}

impl Told {
    fn new(limit: usize) -> Self {
        Self { limit: Arc::new(Mutex::new(limit)), samples: Arc::default() }
    }

    fn set(&self, limit: usize) {
        *self.limit.lock().unwrap() = limit;
    }

    fn take(&self) -> Vec<(Duration, usize, Outcome)> {
        std::mem::take(&mut *self.samples.lock().unwrap())
    }
}

impl Limit for Told {
    fn current(&self) -> usize {
        *self.limit.lock().unwrap()
    }

    fn learn(&mut self, sample: &Sample) {
        let told = (sample.latency, sample.in_flight, sample.outcome);
        self.samples.lock().unwrap().push(told);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_shrinks_it_and_no_call_in_flight_is_touched() {
    let layer = BulkheadLayer::new(3).unwrap();
    let (handle, isolated) = (layer.handle(), layer.isolated().handle());
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let mut calls: Vec<_> = (0..3).map(|_| service.call(())).collect();
    handle.set_limit(1).unwrap();
    assert_eq!((handle.limit(), handle.in_flight(), inner.in_flight()), (1, 3, 3));
    assert_eq!(isolated.limit(), 3, "it is another");
    for in_flight in [3, 2, 1] {
        let error = service.call(()).await.unwrap_err();
        let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
        assert_eq!(kind, &RejectionKind::BulkheadFull { limit: 1, in_flight, queued: 0 });
        calls.pop();
    }
    let _one = service.call(());
    assert_eq!(handle.in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_lets_in_who_waits() {
    let layer =
        BulkheadLayer::builder().max_concurrent(1).max_queue(4).max_wait(SECOND).build().unwrap();
    let handle = layer.handle();
    let (probe, inner) = Probe::new(|n: u32| if n == 0 { Reply::Never } else { Reply::Now(Ok(n)) });
    let mut service = layer.layer(probe);
    let _hangs = service.call(0);
    let mut waiting: Vec<_> = (1..=3).map(|n| task::spawn(service.call(n))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    handle.set_limit(3).unwrap();
    let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, false], "as many as there are places, the first first");
    assert_eq!((handle.in_flight(), handle.queued(), inner.calls()), (3, 1, 1));
    // A limit that shrinks again takes no place from whom it was given to.
    handle.set_limit(1).unwrap();
    assert_eq!(assert_ready!(waiting[0].poll()).unwrap(), 1);
    assert_eq!(assert_ready!(waiting[1].poll()).unwrap(), 2);
    assert!(!waiting[2].is_woken(), "one place, and it is taken");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_told_how_long_a_call_took_and_how_it_ended() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let (probe, _inner) = Probe::new(|request: &str| match request {
        "answer" => Reply::After(SECOND, Ok(())),
        "error" => Reply::After(SECOND, Err("down".into())),
        "refused" => {
            let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
            Reply::Now(Err(Rejection::new("bulkhead", "inner".into(), kind).into()))
        }
        "panic" => Reply::Panic,
        _ => Reply::Never,
    });
    let mut service = layer.layer(probe);
    let mut one = async |request| {
        let mut call = task::spawn(service.call(request));
        if request == "panic" {
            return assert!(tokio::spawn(call.into_inner()).await.unwrap_err().is_panic());
        }
        if call.poll().is_pending() {
            advance(SECOND).await;
            let _ = call.poll();
        }
    };
    for request in ["answer", "error", "refused", "panic", "hang"] {
        one(request).await;
    }
    let expected = [
        (SECOND, 1, Outcome::Success),
        (SECOND, 1, Outcome::Failure),
        (Duration::ZERO, 1, Outcome::Neutral),
        (Duration::ZERO, 1, Outcome::Failure),
        (SECOND, 1, Outcome::Neutral),
    ];
    assert_eq!(told.take(), expected, "the last one's caller hung up");

    // What waits with others counts them, and what is cut has failed.
    let _other = service.call("hang");
    let deadline = Deadline::after(SECOND);
    let call = service.call("hang");
    advance(SECOND).await;
    Deadline::scope(Some(deadline), || drop(call));
    assert_eq!(told.take(), [(SECOND, 2, Outcome::Failure)]);
    assert_eq!(layer.handle().in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_its_own_is_no_sample() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).max_wait(SECOND).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let _hangs = service.call(());
    let late = service.call(());
    assert!(service.call(()).await.is_err(), "full");
    assert!(timeout(2 * SECOND, late).await.expect("it ends").is_err(), "late");
    assert_eq!(told.take(), []);
}

/// Its own deadline had passed, and it was not made: that is no failure of the dependency.
#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_late_is_no_sample_and_no_admission() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).max_wait(10 * SECOND).build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let first = service.call(());
    let deadline = Some(Deadline::after(SECOND));
    let mut late = task::spawn(Deadline::scope(deadline, || service.call(())));
    assert_pending!(late.poll());
    advance(2 * SECOND).await;
    drop(first);
    assert_eq!(told.take(), [(2 * SECOND, 1, Outcome::Neutral)], "the first, whose caller left");
    assert!(assert_ready!(Deadline::scope(deadline, || late.poll())).is_err());
    assert_eq!((told.take(), inner.calls()), (vec![], 1));
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.admitted, snapshot.rejected.total()), (1, 1), "each call once");
    assert_eq!((snapshot.waits.count(), snapshot.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_whoever_catches_it_and_one_elsewhere_is_none() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let (probe, _inner) = Probe::new(|panics| if panics { Reply::Panic } else { Reply::Never });
    let mut service = layer.layer(probe);
    let mut call = task::spawn(service.call(true));
    let poll = || call.poll().map(|answer: Result<(), BoxError>| answer.is_ok());
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    // It is dropped when the panic has passed, as by a layer that makes responses of panics.
    drop(call);
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Failure)]);

    let bystander = service.call(false);
    let panics = async move {
        let _bystander = bystander;
        panic!("told to panic");
    };
    assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Neutral)]);
}

#[tokio::test(start_paused = true)]
async fn under_backpressure_a_call_is_measured_from_its_beginning_and_what_is_no_call_is_not() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder().limit(told.clone()).backpressure().build().unwrap();
    let (probe, inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    advance(5 * SECOND).await;
    service.call(()).await.unwrap();
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Success)]);

    inner.set_readiness(Readiness::Broken);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(()).await.unwrap_err();
    assert_eq!(told.take(), [(Duration::ZERO, 1, Outcome::Failure)], "as without backpressure");

    inner.set_readiness(Readiness::Ready);
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    Deadline::scope(Some(Deadline::after(Duration::ZERO)), || drop(service));
    assert_eq!((told.take(), layer.handle().in_flight()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_a_part_of_its_call() {
    use BodyStep::{Data, Error, Hang, Wait};

    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |(status, steps): (u16, Vec<BodyStep>)| {
        let mut response = Response::new(ScriptedBody::new(steps));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok::<_, BoxError>(response)
    }));
    let read = async |status, steps| {
        let response = service.clone().oneshot((status, steps)).await.unwrap();
        assert_eq!(told.take(), [], "the body is still to come");
        let _ = timeout(SECOND, response.into_body().collect()).await;
        told.take()
    };
    let takes = || vec![Data("one"), Wait(SECOND / 2), Data("two")];
    assert_eq!(read(200, takes()).await, [(SECOND / 2, 1, Outcome::Success)]);
    assert_eq!(read(503, takes()).await, [(SECOND / 2, 1, Outcome::Failure)], "as its head said");
    let breaks = vec![Data("one"), Error("reset")];
    assert_eq!(read(200, breaks).await, [(Duration::ZERO, 1, Outcome::Failure)]);
    let hangs = vec![Data("one"), Hang];
    assert_eq!(read(200, hangs).await, [(SECOND, 1, Outcome::Neutral)], "its reader has left");
    // Over with its head.
    drop(service.clone().oneshot((200, vec![])).await.unwrap());
    drop(service.clone().oneshot((503, vec![])).await.unwrap());
    let outcomes: Vec<_> = told.take().into_iter().map(|sample| sample.2).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Failure]);
}

#[tokio::test(start_paused = true)]
async fn a_protocol_s_own_judgement_is_what_counts() {
    let told = Told::new(4);
    let judge =
        buttress_core::Classified::new(buttress_core::Plain, |result: Result<&u32, &BoxError>| {
            match result {
                Ok(0) => Judgement::FAILURE,
                _ => Judgement::SUCCESS,
            }
        });
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(judge).build().unwrap();
    let (probe, _inner) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let mut service = layer.layer(probe);
    for n in [0, 1] {
        service.call(n).await.unwrap();
    }
    let outcomes: Vec<_> = told.take().into_iter().map(|sample| sample.2).collect();
    assert_eq!(outcomes, [Outcome::Failure, Outcome::Success]);
}

#[tokio::test(start_paused = true)]
async fn what_it_has_learned_holds_at_once() {
    let told = Told::new(1);
    let layer = BulkheadLayer::builder()
        .limit(told.clone())
        .max_wait(10 * SECOND)
        .max_queue(3)
        .build()
        .unwrap();
    let handle = layer.handle();
    let (probe, _inner) =
        Probe::new(|n: u32| if n == 0 { Reply::Now(Ok(n)) } else { Reply::Never });
    let mut service = layer.layer(probe);
    let mut first = task::spawn(service.call(0));
    let mut waiting: Vec<_> = (1..=3).map(|n| task::spawn(service.call(n))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    told.set(2);
    assert_ready!(first.poll()).unwrap();
    let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, false], "one place came back, and there is one more");
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (2, 2, 1));

    for call in &mut waiting[..2] {
        assert_pending!(call.poll());
    }

    // Outside of the range it is taken for the nearest within.
    told.set(0);
    drop(waiting.remove(0));
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (1, 1, 1));
    told.set(usize::MAX);
    drop(waiting.remove(0));
    assert_eq!((handle.limit(), handle.in_flight(), handle.queued()), (1_000_000, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_s_word_holds_against_what_is_learned() {
    let told = Told::new(5);
    let layer = BulkheadLayer::builder().limit(told.clone()).build().unwrap();
    let handle = layer.handle();
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let before = service.call(());
    handle.set_limit(2).unwrap();
    told.set(9);
    before.await.unwrap();
    service.call(()).await.unwrap();
    assert_eq!((handle.limit(), told.take()), (2, vec![]), "it is told no more");
    assert_eq!(layer.isolated().handle().limit(), 9, "it begins anew, by what it was built with");
}

/// Panics when it is told of a failure.
#[derive(Clone)]
struct Panics;

impl Limit for Panics {
    fn current(&self) -> usize {
        1
    }

    fn learn(&mut self, sample: &Sample) {
        assert_ne!(sample.outcome, Outcome::Failure, "told to panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_panics_costs_no_place() {
    let layer = BulkheadLayer::builder().limit(Panics).build().unwrap();
    let (probe, _inner) =
        Probe::new(|fails| Reply::Now(if fails { Err("down".into()) } else { Ok(()) }));
    let mut service = layer.layer(probe);
    for _ in 0..2 {
        assert!(tokio::spawn(service.call(true)).await.unwrap_err().is_panic());
        assert_eq!(layer.handle().in_flight(), 0);
        service.call(false).await.unwrap();
    }
}
