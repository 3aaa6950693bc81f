//! What layers do to each other, on a paused clock.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress::{core::CircuitState, fallback::Failure, prelude::*, timeout::TimeoutSnapshot};
use buttress_testkit::{
    BodyStep, Probe, Readiness, Recorder, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> BreakerLayer {
    BreakerLayer::builder().consecutive_failures(5).open_for(30 * SECOND).build().unwrap()
}

fn is_open(error: &BoxError) -> bool {
    let kind = Rejection::find(error.as_ref()).map(Rejection::kind);
    matches!(kind, Some(RejectionKind::CircuitOpen { .. }))
}

/// A peer's fault: a timeout outside the breaker hides every failure from it. Here the deadline
/// travels, so a call that was cut by it counts, and the circuit opens at exactly its threshold.
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_breaker_hides_nothing_from_it() {
    let (hangs, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let layer = breaker();
    let circuit = layer.handle();
    let service =
        ServiceBuilder::new().layer(TimeoutLayer::new(SECOND).unwrap()).layer(layer).service(hangs);
    for call in 1..=5 {
        assert_eq!(circuit.state(), CircuitState::Closed, "before call {call}");
        service.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(circuit.state(), CircuitState::Open);
    let start = Instant::now();
    assert!(is_open(&service.oneshot(()).await.unwrap_err()));
    assert_eq!(start.elapsed(), Duration::ZERO, "open means fast");
    assert_eq!((handle.calls(), handle.in_flight()), (5, 0));
}

/// The same for the limits on phases, which are no deadlines: the one on the head, and the one on
/// the gap between the frames of a body.
#[tokio::test(start_paused = true)]
async fn a_limit_on_a_phase_outside_the_breaker_hides_nothing_from_it_either() {
    let http = Http::new();
    for head in [false, true] {
        let (stalls, _handle) = Probe::new(move |_: Request<()>| {
            let body = ScriptedBody::new([BodyStep::Data("x"), BodyStep::Hang]);
            if head { Reply::Now(Ok(Response::new(body))) } else { Reply::Never }
        });
        let layer = BreakerLayer::builder().consecutive_failures(2).protocol(http).build().unwrap();
        let circuit = layer.handle();
        let limits = TimeoutLayer::builder().response(SECOND).read(SECOND).protocol(http);
        let service =
            ServiceBuilder::new().layer(limits.build().unwrap()).layer(layer).service(stalls);
        for call in 1..=2 {
            assert_eq!(circuit.state(), CircuitState::Closed, "before call {call}");
            let response = service.clone().oneshot(Request::new(())).await;
            assert_eq!(response.is_ok(), head);
            if let Ok(response) = response {
                response.into_body().collect().await.unwrap_err();
            }
        }
        assert_eq!(circuit.state(), CircuitState::Open);
    }
}

/// Where limits nest, the one that is passed cuts the call and gives its name to the error: if the
/// one inside did, a retry between would take an attempt that was cut for a call that was.
#[tokio::test(start_paused = true)]
async fn an_attempt_is_cut_by_its_own_limit_and_repeated_whatever_stands_inside() {
    let (hangs, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let recorder = Recorder::new();
    let attempt = TimeoutLayer::builder().overall(SECOND).name("attempt");
    let inside = TimeoutLayer::builder().overall(5 * SECOND).response(9 * SECOND).name("inside");
    let attempt = attempt.observer(recorder.clone()).build().unwrap();
    let inside = inside.observer(recorder.clone()).build().unwrap();
    let (cuts, others) = (attempt.handle(), inside.handle());
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::new(3).unwrap())
        .layer(attempt)
        .layer(inside)
        .service(hangs);
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "timeout `attempt`: overall limit of 1s passed");
    assert_eq!((handle.calls(), handle.in_flight()), (3, 0));
    assert_eq!((cuts.snapshot().overall, others.snapshot()), (3, TimeoutSnapshot::default()));
    assert_eq!(recorder.take().len(), 3, "said once each");
}

/// A dependency that becomes ready for nobody is judged the same with a limit inside the breaker
/// and without.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_failed_whatever_stands_inside() {
    for attempt in [None, Some(TimeoutLayer::new(5 * SECOND).unwrap())] {
        let (unready, handle) = Probe::new(|_: ()| Reply::Now(Ok(())));
        handle.set_readiness(Readiness::Pending);
        let layer = BreakerLayer::builder().consecutive_failures(1).build().unwrap();
        let circuit = layer.handle();
        let service = ServiceBuilder::new()
            .layer(TimeoutLayer::new(SECOND).unwrap())
            .layer(layer)
            .option_layer(attempt)
            .service(unready);
        service.oneshot(()).await.unwrap_err();
        assert_eq!(circuit.state(), CircuitState::Open);
    }
}

/// A dependency that has a frame ready whenever it is asked is not to blame if the reader's time
/// runs out.
#[tokio::test(start_paused = true)]
async fn slow_readers_do_not_open_the_circuit() {
    let http = Http::new();
    let (probe, _handle) = Probe::new(|_: Request<()>| {
        Reply::Now(Ok(Response::new(ScriptedBody::new(vec![BodyStep::Data("x"); 100]))))
    });
    let layer = BreakerLayer::builder().consecutive_failures(1).protocol(http).build().unwrap();
    let circuit = layer.handle();
    let limit = TimeoutLayer::builder().overall(SECOND).protocol(http).build().unwrap();
    let service = ServiceBuilder::new().layer(limit).layer(layer).service(probe);
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    while let Some(Ok(_)) = body.frame().await {
        advance(SECOND / 4).await;
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn callers_who_hang_up_never_open_the_circuit() {
    let (hangs, _handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let layer = breaker();
    let circuit = layer.handle();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(60 * SECOND).unwrap())
        .layer(layer)
        .service(hangs);
    for _ in 0..50 {
        let _ = timeout(SECOND, service.clone().oneshot(())).await.unwrap_err();
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_repeat_what_the_breaker_refuses() {
    let (fails, handle) = Probe::new(|_: ()| Reply::<()>::Now(Err("down".into())));
    let layer = breaker();
    let circuit = layer.handle();
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::new(3).unwrap())
        .layer(layer)
        .service(fails);
    // Three attempts, then two: the breaker opens, and its refusal ends the second call.
    service.clone().oneshot(()).await.unwrap_err();
    assert!(is_open(&service.clone().oneshot(()).await.unwrap_err()));
    assert_eq!((handle.calls(), circuit.state()), (5, CircuitState::Open));
    let start = Instant::now();
    assert!(is_open(&service.oneshot(()).await.unwrap_err()));
    assert_eq!(start.elapsed(), Duration::ZERO, "and waits for nothing");
    assert_eq!(handle.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_sleep_past_the_deadline_of_the_call() {
    let (fails, handle) = Probe::new(|_: ()| Reply::<()>::Now(Err("down".into())));
    let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
    let retry =
        JitteredRetryLayer::builder().backoff(backoff).jitter(Jitter::None).build().unwrap();
    let service =
        ServiceBuilder::new().layer(TimeoutLayer::new(SECOND).unwrap()).layer(retry).service(fails);
    let start = Instant::now();
    assert_eq!(service.oneshot(()).await.unwrap_err().to_string(), "down");
    assert_eq!((start.elapsed(), handle.calls()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_queue_does_not_wait_past_the_deadline_of_the_call() {
    let (hangs, handle) = Probe::new(|_: ()| Reply::<()>::Never);
    let recorder = Recorder::new();
    let bulkhead = BulkheadLayer::builder()
        .max_concurrent(1)
        .max_wait(60 * SECOND)
        .observer(recorder.clone())
        .build()
        .unwrap();
    let places = bulkhead.handle();
    let breaker = breaker();
    let circuit = breaker.handle();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SECOND).unwrap())
        .layer(breaker)
        .layer(bulkhead)
        .service(hangs);
    let mut first = task::spawn(service.clone().oneshot(()));
    assert_pending!(first.poll());
    let start = Instant::now();
    service.oneshot(()).await.unwrap_err();
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!((handle.calls(), places.queued()), (1, 0));
    // It is the queue that ended the wait, and not the limit outside that cut it.
    let ended = "bulkhead bulkhead: rejected: the deadline had passed before the call";
    assert_eq!(recorder.take(), [ended]);
    assert_eq!(circuit.snapshot().failures, 0, "nobody blames the dependency for the queue");
}

/// A peer's fault: the failed response held through the backoff, so that its connection and its
/// place in the bulkhead stay taken.
#[tokio::test(start_paused = true)]
async fn a_failed_response_gives_its_place_back_before_the_wait() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempts);
    let fails_once = service_fn(move |_: Request<ScriptedBody>| {
        let failed = seen.fetch_add(1, Ordering::SeqCst) == 0;
        let body = ScriptedBody::new([BodyStep::Data("body"), BodyStep::Data("more")]);
        let status = if failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        let response = Response::builder().status(status).body(body).unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let http = Http::new();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
    let places = bulkhead.handle();
    let service = ServiceBuilder::new()
        .layer(JitteredRetryLayer::builder().jitter(Jitter::None).protocol(http).build().unwrap())
        .layer(bulkhead)
        .service(fails_once);
    let mut call = task::spawn(service.oneshot(Request::default()));
    assert_pending!(call.poll());
    assert_eq!((attempts.load(Ordering::SeqCst), places.in_flight()), (1, 0), "it waits");
    let response = call.await.unwrap();
    assert_eq!((response.status(), places.in_flight()), (StatusCode::OK, 1));
    response.into_body().collect().await.unwrap();
    assert_eq!(places.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_by_the_clock_counts_against_the_dependency_and_frees_its_place() {
    let stalls = service_fn(async |_: Request<ScriptedBody>| {
        let body = ScriptedBody::new([BodyStep::Data("head"), BodyStep::Hang]);
        Ok::<_, Infallible>(Response::new(body))
    });
    let http = Http::new();
    let breaker = BreakerLayer::builder().consecutive_failures(2).protocol(http).build().unwrap();
    let circuit = breaker.handle();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
    let places = bulkhead.handle();
    let limit = |limit| TimeoutLayer::builder().overall(limit).protocol(http).build().unwrap();
    // The limit of the attempt inside, as recommended, and then only one outside.
    for (outer, inner) in [(60 * SECOND, SECOND), (SECOND, 60 * SECOND)] {
        let service = ServiceBuilder::new()
            .layer(limit(outer))
            .layer(&breaker)
            .layer(&bulkhead)
            .layer(limit(inner))
            .service(stalls);
        let start = Instant::now();
        let response = service.oneshot(Request::default()).await.unwrap();
        assert_eq!(places.in_flight(), 1);
        response.into_body().collect().await.unwrap_err();
        assert_eq!((start.elapsed(), places.in_flight()), (SECOND, 0));
    }
    assert_eq!(circuit.state(), CircuitState::Open);
}

/// Everything at once, under faults drawn at random and callers who hang up: whatever happened,
/// in the end nothing is held and the stack still serves.
#[tokio::test(start_paused = true)]
async fn after_any_storm_everything_is_given_back() {
    let mut real = 0;
    for seed in 0..5 {
        real += storm(seed).await;
    }
    // Of one storm it is a matter of chance, for it depends on when the circuit is open.
    assert!(real > 5 * 10, "the service answered as well: {real}");
}

/// How many were answered by the service itself.
async fn storm(seed: u64) -> usize {
    let (probe, handle) = Probe::new(|n: u64| match n % 7 {
        0 => Reply::Now(Err("down".into())),
        1 => Reply::After(3 * SECOND, Ok(n)),
        2 => Reply::Never,
        3 => Reply::Panic,
        _ => Reply::After(Duration::from_millis(n % 50), Ok(n)),
    });
    let chaos = ChaosLayer::builder()
        .faults(Faults::none().latency(0.2, SECOND).unwrap().errors(0.1).unwrap())
        .rng(7 + seed)
        .build()
        .unwrap();
    let faults = chaos.handle();
    let bulkhead = BulkheadLayer::builder().max_concurrent(5).max_wait(SECOND / 2).build().unwrap();
    let places = bulkhead.handle();
    let breaker = BreakerLayer::builder().open_for(SECOND).build().unwrap();
    let circuit = breaker.handle();
    let service = ServiceBuilder::new()
        .layer(
            FallbackLayer::builder()
                .value("constant", |_: &(), _: &Failure<'_>| u64::MAX)
                .build()
                .unwrap(),
        )
        .layer(TimeoutLayer::new(2 * SECOND).unwrap())
        .layer(JitteredRetryLayer::builder().rng(1 + seed).build().unwrap())
        .layer(breaker)
        .layer(bulkhead)
        .layer(TimeoutLayer::new(SECOND).unwrap())
        .layer(chaos)
        .service(probe);
    let mut calls = Vec::new();
    for n in 0..500_u64 {
        let mut service = service.clone();
        let patience = if n % 11 == 0 { SECOND / 10 } else { 60 * SECOND };
        calls.push(tokio::spawn(async move {
            timeout(patience, service.ready().await.unwrap().call(n)).await
        }));
        advance(Duration::from_millis(20)).await;
    }
    let mut real = 0;
    for call in calls {
        match call.await {
            Ok(Ok(answer)) => {
                real += usize::from(answer.expect("the fallback answers every failure") < 500);
            }
            Ok(Err(_hung_up)) => {}
            Err(error) => {
                let panic = error.into_panic();
                let message = panic.downcast_ref::<&str>().expect("a message");
                assert_eq!(*message, "the probe was told to panic", "it is no panic of ours");
            }
        }
    }
    assert_eq!((places.in_flight(), places.queued()), (0, 0));
    assert_eq!((handle.in_flight(), handle.reserved()), (0, 0));
    assert!(handle.calls() > 20, "the storm reached the service: {}", handle.calls());

    faults.clear();
    advance(60 * SECOND).await;
    assert_eq!(service.oneshot(4).await.unwrap(), 4);
    assert_eq!(circuit.state(), CircuitState::Closed);
    real
}

/// A later attempt that is not sent in time: what the dependency said is worth more than that the
/// time is up, and where there is nothing to give, the one whose limit it was says so.
#[tokio::test(start_paused = true)]
async fn a_retry_gives_the_last_error_or_leaves_it_to_the_limit_outside() {
    // The next attempt is not ready, or its wait took too long.
    for (answers, busy) in [(true, true), (true, false), (false, true), (false, false)] {
        let (probe, handle) = Probe::new(move |_: Request<ScriptedBody>| {
            let response = Response::builder().status(503).body(ScriptedBody::default()).unwrap();
            Reply::Now(if answers { Ok(response) } else { Err("it failed".into()) })
        });
        let http = Http::new();
        let limit = TimeoutLayer::builder().overall(SECOND).name("outer").protocol(http);
        let limit = limit.build().unwrap();
        let retry = JitteredRetryLayer::builder().jitter(Jitter::None).protocol(http);
        let mut service = ServiceBuilder::new()
            .layer(&limit)
            .layer(retry.backoff(Backoff::constant(SECOND / 2)).build().unwrap())
            .service(probe);
        let mut call = task::spawn(service.call(Request::new(ScriptedBody::default())));
        assert_pending!(call.poll());
        if busy {
            handle.set_readiness(Readiness::Pending);
            advance(SECOND / 2).await;
            assert_pending!(call.poll());
        }
        advance(SECOND).await;
        let error = assert_ready!(call.poll()).unwrap_err();
        let name = Rejection::find(error.as_ref()).map(Rejection::name);
        assert_eq!(name, answers.then_some("outer"), "{error}");
        assert_eq!(limit.handle().snapshot().overall, u64::from(answers));
        assert_eq!(handle.calls(), 1);
    }
}

/// And where nobody outside ends the call, the retry does.
#[tokio::test(start_paused = true)]
async fn a_retry_that_left_it_to_nobody_ends_by_itself() {
    let (probe, handle) = Probe::new(|_: Request<ScriptedBody>| {
        Reply::Now(Ok(Response::builder().status(503).body(ScriptedBody::default()).unwrap()))
    });
    let retry = JitteredRetryLayer::builder().jitter(Jitter::None).protocol(Http::new());
    let retry = retry.backoff(Backoff::constant(SECOND / 2)).build().unwrap();
    let mut service = ServiceBuilder::new().layer(retry).service(probe);
    let deadline = Some(Deadline::after(SECOND));
    let request = Request::new(ScriptedBody::default());
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(request)));
    // Somebody says that he enforces it, and does not.
    let mut poll = || Deadline::enforce(deadline, || call.poll());
    assert_pending!(poll());
    handle.set_readiness(Readiness::Pending);
    advance(SECOND / 2).await;
    assert_pending!(poll());
    advance(SECOND).await;
    assert_pending!(poll());
    advance(SECOND).await;
    let error = assert_ready!(poll()).unwrap_err();
    let kind = Rejection::find(error.as_ref()).unwrap().kind();
    assert_eq!(kind, &RejectionKind::DeadlineExceeded { called: true });
}

/// A sooner deadline that nobody enforces does not hide from those inside that the call is ended
/// outside: what is ready too late is not sent.
#[tokio::test(start_paused = true)]
async fn what_is_ready_too_late_is_not_sent_whatever_stands_between() {
    for max in [SECOND / 2, 9 * SECOND] {
        let (probe, handle) = Probe::new(|_: Request<ScriptedBody>| {
            Reply::Now(Ok(Response::new(ScriptedBody::default())))
        });
        handle.set_readiness(Readiness::Pending);
        let http = Http::new();
        let mut service = ServiceBuilder::new()
            .layer(TimeoutLayer::builder().overall(SECOND).protocol(http).build().unwrap())
            .layer(AcceptDeadlineLayer::builder().max(max).build().unwrap())
            .layer(BreakerLayer::builder().protocol(http).build().unwrap())
            .service(probe);
        let mut call = task::spawn(service.call(Request::new(ScriptedBody::default())));
        assert_pending!(call.poll());
        advance(2 * SECOND).await;
        handle.set_readiness(Readiness::Ready);
        assert_ready!(call.poll()).unwrap_err();
        assert_eq!(handle.calls(), 0);
    }
}

/// A gRPC client that ends an attempt by the header that it was given: the limit whose time that was
/// says so, and the retry outside goes on.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_grpc_client_ends_is_the_limits() {
    // Also on a machine that finds out late.
    for late in [Duration::ZERO, Duration::from_millis(5), SECOND] {
        attempts_are_the_limits(late).await;
    }
}

async fn attempts_are_the_limits(late: Duration) {
    let (client, handle) = Probe::new(|request: Request<ScriptedBody>| {
        let micros = request.headers()["grpc-timeout"].to_str().unwrap().strip_suffix('u');
        let micros = Duration::from_micros(micros.unwrap().parse().unwrap());
        Reply::<Response<ScriptedBody>>::After(micros, Err("transport error".into()))
    });
    let http = Http::new();
    let attempt = TimeoutLayer::builder().overall(SECOND).name("attempt").protocol(http);
    let attempt = attempt.build().unwrap();
    let overall = TimeoutLayer::builder().overall(20 * SECOND).protocol(http).build().unwrap();
    let send = SendDeadlineLayer::new();
    let service = ServiceBuilder::new()
        .layer(overall)
        .layer(JitteredRetryLayer::builder().protocol(http).build().unwrap())
        .layer(&attempt)
        .layer(&send)
        .service(client);
    let mut request = Request::post("/").body(ScriptedBody::default()).unwrap();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request.extensions_mut().insert(Repeatable);
    let mut call = task::spawn(service.oneshot(request));
    assert_pending!(call.poll());
    advance(SECOND + late).await;
    let error = match call.poll() {
        Poll::Ready(result) => result,
        Poll::Pending => call.await,
    };
    let error = error.map(drop).unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "attempt");
    assert_eq!((handle.calls(), attempt.handle().snapshot().overall), (3, 3));
    assert_eq!(send.handle().snapshot().late, 0);
}
