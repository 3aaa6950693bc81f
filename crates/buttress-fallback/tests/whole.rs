//! The request itself, sent to another service in place of the one it was for.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use buttress_core::{
    BoxError, Judgement, Obstacle, Plain, Rejection, RejectionKind, Repeat, Repeatability,
    Repeated, Trip,
};
use buttress_fallback::{FallbackLayer, Whole};
use buttress_http::{Http, ReplayBody, ReplayBodyLayer};
use buttress_testkit::{BodyStep, Probe, Readiness, Recorder, Reply, ScriptedBody};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// The type of data that all bodies here have.
type Bytes = <ScriptedBody as Body>::Data;

type Post = Request<Full<Bytes>>;

/// Echoes what it is sent.
async fn echo(request: Post) -> Result<Response<String>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
    Ok(Response::new(text))
}

fn refusal() -> Rejection {
    let kind = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
    Rejection::new("breaker", Arc::from("b"), kind)
}

#[derive(Debug)]
struct Wraps(Rejection);

impl std::fmt::Display for Wraps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a service that had done something before")
    }
}

impl std::error::Error for Wraps {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// What a request of this method, whose call ends with this error, is answered.
async fn answered(method: Method, error: fn() -> BoxError) -> Result<String, String> {
    answered_by(|request| Whole::of(request, Http::new()), method, error).await
}

async fn answered_by(
    keep: fn(&Post) -> Whole<Post, Http>,
    method: Method,
    error: fn() -> BoxError,
) -> Result<String, String> {
    let recorder = Recorder::new();
    let layer = FallbackLayer::builder()
        .protocol(Http::new().unsent(|error| error.to_string() == "connection refused"))
        .keep(keep)
        .observer(recorder.clone())
        .resend("other region", service_fn(echo))
        .build()
        .unwrap();
    let service =
        layer.layer(service_fn(move |_: Post| ready(Err::<Response<String>, _>(error()))));
    let request = Request::builder().method(method).uri("/orders").body(Full::from("two teas"));
    match service.oneshot(request.unwrap()).await {
        Ok(response) => {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
        Err(_) => Err(recorder.take().pop().unwrap()),
    }
}

#[tokio::test]
async fn a_request_that_may_be_sent_twice_goes_to_another_service_whole() {
    let whole = Ok("PUT /orders two teas".to_owned());
    assert_eq!(answered(Method::PUT, || "timed out".into()).await, whole);
    assert_eq!(answered(Method::PUT, || refusal().into()).await, whole);
}

#[tokio::test]
async fn one_that_may_not_goes_only_if_it_was_not_executed() {
    let whole = Ok("POST /orders two teas".to_owned());
    assert_eq!(answered(Method::POST, || "connection refused".into()).await, whole);
    let refused = "fallback fallback: tier other region failed: the request may not be sent twice";
    assert_eq!(answered(Method::POST, || "timed out".into()).await, Err(refused.into()));
    assert_eq!(answered(Method::POST, || Wraps(refusal()).into()).await, Err(refused.into()));
    let cut = || {
        let kind = RejectionKind::DeadlineExceeded { called: true };
        Rejection::new("timeout", Arc::from("t"), kind).into()
    };
    assert_eq!(answered(Method::POST, cut).await, Err(refused.into()));
    // It may come from a client of a handler that had done something before.
    assert_eq!(answered(Method::POST, || refusal().into()).await, Err(refused.into()));

    let trusts: fn(&Post) -> _ = |request| Whole::of(request, Http::new()).repeat_refusals();
    assert_eq!(answered_by(trusts, Method::POST, || refusal().into()).await, whole);
    for error in [cut, || Wraps(refusal()).into(), || "timed out".into()] {
        assert_eq!(answered_by(trusts, Method::POST, error).await, Err(refused.into()));
    }
}

/// A body of two parts that can be had once.
fn once() -> ScriptedBody {
    ScriptedBody::new([BodyStep::Data("two "), BodyStep::Data("teas")])
}

#[tokio::test]
async fn a_request_that_can_be_had_once_does_not_go() {
    let recorder = Recorder::new();
    let layer = FallbackLayer::builder()
        .protocol(Http::new())
        .keep(|request: &Request<ScriptedBody>| Whole::of(request, Http::new()))
        .observer(recorder.clone())
        .resend("other", service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))))
        .build()
        .unwrap();
    let service =
        layer.layer(service_fn(async |_| Err::<Response<String>, BoxError>("inner".into())));
    let error = service.oneshot(Request::put("/").body(once()).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    let cause = "fallback fallback: tier other failed: the request can not be had twice";
    assert_eq!(recorder.take().pop().unwrap(), cause);
}

/// What is answered to a streamed request whose body the dependency reads so many parts of, and the
/// tiers after it, before they fail.
async fn streamed(parts: usize, answers: bool, tiers: usize) -> Result<String, String> {
    let recorder = Recorder::new();
    let read = move |request: Request<ReplayBody>| async move {
        let mut body = request.into_body();
        for _ in 0..parts {
            body.frame().await.unwrap().unwrap();
        }
        if answers {
            return Ok(Response::builder().status(503).body("down".to_owned()).unwrap());
        }
        Err(BoxError::from("broke off"))
    };
    let mut builder = FallbackLayer::builder()
        .protocol(Http::new())
        .keep(|request: &Request<ReplayBody>| Whole::of(request, Http::new()))
        .observer(recorder.clone());
    for tier in 0..tiers {
        let fails = async move |request: Request<ReplayBody>| {
            request.into_body().frame().await.unwrap().unwrap();
            Err(BoxError::from("this one, too"))
        };
        builder = builder.resend(tier.to_string(), service_fn(fails));
    }
    let layer = builder
        .resend(
            "echo",
            service_fn(async |request: Request<ReplayBody>| {
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, BoxError>(Response::new(String::from_utf8(body.to_vec()).unwrap()))
            }),
        )
        .build()
        .unwrap();
    let replay = ReplayBodyLayer::new();
    let service = ServiceBuilder::new().layer(replay).layer(layer).service(service_fn(read));
    let response = service.oneshot(Request::put("/").body(once()).unwrap()).await;
    match response {
        Ok(response) if response.status() == 200 => {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
        _ => Err(recorder.take().pop().unwrap()),
    }
}

#[tokio::test]
async fn a_streamed_body_goes_from_its_start_however_much_of_it_was_sent() {
    for parts in 0..=2 {
        for tiers in 0..=2 {
            let whole = Ok("two teas".to_owned());
            assert_eq!(streamed(parts, false, tiers).await, whole, "{parts} {tiers}");
        }
    }
}

#[tokio::test]
async fn after_an_answer_that_came_before_all_was_sent_nothing_goes() {
    let cause = "fallback fallback: tier echo failed: the body was still being sent";
    assert_eq!(streamed(1, true, 0).await, Err(cause.into()));
    assert_eq!(streamed(2, true, 0).await, Ok("two teas".into()));
}

#[tokio::test]
async fn other_tiers_see_the_copy() {
    let layer = FallbackLayer::builder()
        .keep(|request: &String| Whole::of(request, Plain))
        .value("length", |whole, _| whole.get().map_or(0, String::len))
        .build()
        .unwrap();
    let service = layer.layer(service_fn(async |_: String| Err::<usize, BoxError>("x".into())));
    assert_eq!(service.oneshot("four".to_owned()).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn another_service_is_called_ready_and_only_after_a_failure() {
    let (tier, handle) = Probe::new(|n: u32| Reply::Now(Ok(n * 10)));
    let layer = FallbackLayer::builder()
        .keep(|request: &u32| Whole::of(request, Plain))
        .resend("other", tier)
        .build()
        .unwrap();
    let service = layer.layer(service_fn(async |n: u32| match n {
        0 => Ok(0),
        _ => Err(BoxError::from("inner")),
    }));
    assert_eq!(service.clone().oneshot(0).await.unwrap(), 0);
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
    assert_eq!(service.clone().oneshot(4).await.unwrap(), 40);
    handle.set_readiness(Readiness::Broken);
    assert_eq!(service.oneshot(5).await.unwrap_err().to_string(), "inner");
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn after_an_answer_nobody_is_waited_for() {
    /// Never lets go of the body.
    #[derive(Clone)]
    struct Keeps;

    impl Repeat<u32> for Keeps {
        fn repeat(&self, request: &u32) -> Option<Repeated<u32>> {
            Some(Repeated { request: *request, when: Repeatability::Always })
        }

        fn obstacle(&self, _copy: &mut u32, answered: bool) -> Option<Obstacle> {
            assert!(answered);
            Some(Obstacle::StillSending)
        }
    }

    let layer = FallbackLayer::builder()
        .classify(|_: Result<&u32, &BoxError>| Judgement::FAILURE)
        .keep(|request: &u32| Whole::of(request, Keeps))
        .resend("other", service_fn(async |n: u32| Ok::<_, Infallible>(n + 1)))
        .build()
        .unwrap();
    let start = Instant::now();
    let service = layer.layer(service_fn(async |n: u32| Ok::<_, BoxError>(n)));
    assert_eq!(service.oneshot(7).await.unwrap(), 7);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Gives its copy only when it was asked so often.
#[derive(Clone)]
struct Held {
    asked: Arc<AtomicU32>,
    given: u32,
}

impl Repeat<u32> for Held {
    fn repeat(&self, request: &u32) -> Option<Repeated<u32>> {
        Some(Repeated { request: *request, when: Repeatability::Always })
    }

    fn obstacle(&self, _copy: &mut u32, answered: bool) -> Option<Obstacle> {
        assert!(!answered);
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        (asked < self.given).then_some(Obstacle::StillSending)
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_is_about_to_let_go_of_the_body_is_waited_for_some_milliseconds() {
    for (given, goes) in [(1, true), (2, true), (10, true), (11, false)] {
        let held = Held { asked: Arc::default(), given };
        let asked = Arc::clone(&held.asked);
        let layer = FallbackLayer::builder()
            .keep(move |request: &u32| Whole::of(request, held.clone()))
            .resend("other", service_fn(async |n: u32| Ok::<_, Infallible>(n)))
            .build()
            .unwrap();
        let start = Instant::now();
        let service = layer.layer(service_fn(async |_: u32| Err::<u32, BoxError>("x".into())));
        assert_eq!(service.oneshot(7).await.is_ok(), goes, "{given}");
        let tries = given.min(10);
        assert_eq!(asked.load(Ordering::SeqCst), tries);
        assert_eq!(start.elapsed(), Duration::from_millis(u64::from(tries - 1)));
    }
}
