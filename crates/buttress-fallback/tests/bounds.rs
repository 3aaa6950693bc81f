//! What a tier may take: so much time, and so many at once.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Event, EventKind, Plain, Rejection, RejectionKind};
use buttress_fallback::{Failure, FallbackLayer, Whole};
use buttress_http::Http;
use buttress_testkit::{
    BodyStep, Probe, Readiness, Recorder, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn failing() -> Probe<u32, u32> {
    Probe::new(|_| Reply::Now(Err("inner".into()))).0
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_takes_longer_is_cut_and_the_next_one_tried() {
    for takes in [0, 999, 1000, 1001, 5000] {
        let recorder = Recorder::new();
        let layer = FallbackLayer::builder()
            .observer(recorder.clone())
            .respond_with("slow", move |_: &(), _: &Failure<'_>| async move {
                sleep(Duration::from_millis(takes)).await;
                Ok(1)
            })
            .tier_within(SECOND)
            .value("constant", |_, _| 2)
            .build()
            .unwrap();
        let start = Instant::now();
        let answer = layer.layer(failing()).oneshot(7).await.unwrap();
        // At the very moment the answer wins.
        let in_time = takes <= 1000;
        assert_eq!(answer, if in_time { 1 } else { 2 }, "{takes}");
        assert_eq!(start.elapsed().as_millis(), u128::from(takes.min(1000)), "{takes}");
        let cut = "fallback fallback: tier slow failed: \
                   fallback `fallback/slow`: overall limit of 1s passed";
        assert_eq!(recorder.take().contains(&cut.to_owned()), !in_time, "{takes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_sees_its_limit_as_its_deadline_and_knows_itself_cut_by_it() {
    /// Notes whether a deadline that has passed is that under which it is dropped.
    struct Ends(Arc<AtomicBool>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let cut = Deadline::current().is_some_and(Deadline::is_past);
            self.0.store(cut, Ordering::SeqCst);
        }
    }
    let cut = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cut);
    let layer = FallbackLayer::builder()
        .respond_with("hangs", move |_: &(), _: &Failure<'_>| {
            let cut = Arc::clone(&seen);
            async move {
                let _ends = Ends(cut);
                let deadline = Deadline::current().expect("the tier's");
                assert_eq!(deadline.remaining(), SECOND);
                assert!(deadline.is_enforced());
                pending().await
            }
        })
        .tier_within(SECOND)
        .value("constant", |_, _| 2)
        .build()
        .unwrap();
    assert_eq!(layer.clone().layer(failing()).oneshot(7).await.unwrap(), 2);
    assert!(cut.load(Ordering::SeqCst));

    // One whose caller hangs up is not cut.
    cut.store(true, Ordering::SeqCst);
    let mut call = task::spawn(layer.layer(failing()).oneshot(7));
    assert_pending!(call.poll());
    drop(call);
    assert!(!cut.load(Ordering::SeqCst));
}

/// Answers with the time that it has, as it is known where it is called.
#[derive(Clone)]
struct Has;

impl Service<u32> for Has {
    type Response = Option<Duration>;
    type Error = Infallible;
    type Future = Ready<Result<Option<Duration>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: u32) -> Self::Future {
        ready(Ok(Deadline::current().map(Deadline::remaining)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_sees_the_limit_where_it_is_called() {
    let inner = || service_fn(async |_: u32| Err::<Option<Duration>, BoxError>("inner".into()));
    let view = || FallbackLayer::builder().keep(|n: &u32| *n);
    let by_view = view().service("has", Has).tier_within(SECOND).build().unwrap();
    let by_function = view()
        .respond_with("has", |n: &u32, _: &Failure<'_>| {
            let call = Has.call(*n);
            async { Ok(call.await?) }
        })
        .tier_within(SECOND)
        .build()
        .unwrap();
    let whole = FallbackLayer::builder()
        .keep(|n: &u32| Whole::of(n, Plain))
        .resend("has", Has)
        .tier_within(SECOND)
        .build()
        .unwrap();
    assert_eq!(by_view.layer(inner()).oneshot(7).await.unwrap(), Some(SECOND));
    assert_eq!(by_function.layer(inner()).oneshot(7).await.unwrap(), Some(SECOND));
    assert_eq!(whole.layer(inner()).oneshot(7).await.unwrap(), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_never_lets_its_timer_fire_is_cut_by_the_clock() {
    let layer = FallbackLayer::builder()
        .respond_with("busy", |_: &(), _: &Failure<'_>| async {
            // It uses up its turn each time, and tokio lets no timer fire in a task that has.
            std::future::poll_fn(|cx| {
                loop {
                    let consumed = std::pin::pin!(tokio::task::consume_budget());
                    if consumed.poll(cx).is_pending() {
                        return std::task::Poll::<()>::Pending;
                    }
                }
            })
            .await;
            Ok(1)
        })
        .tier_within(SECOND)
        .value("constant", |_, _| 2)
        .build()
        .unwrap();
    let call = tokio::spawn(layer.layer(failing()).oneshot(7));
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    advance(SECOND).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(call.is_finished(), "though its timer may not fire");
    assert_eq!(call.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_the_readiness_of_a_service() {
    let (tier, handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    handle.set_readiness(Readiness::Pending);
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| *n)
        .service("never ready", tier)
        .tier_within(SECOND)
        .value("constant", |_, _| 2)
        .build()
        .unwrap();
    let start = Instant::now();
    assert_eq!(layer.layer(failing()).oneshot(7).await.unwrap(), 2);
    assert_eq!((start.elapsed(), handle.calls(), handle.reserved()), (SECOND, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_limit_and_one_without_end_make_no_timer() {
    for limit in [None, Some(Duration::MAX)] {
        let mut builder =
            FallbackLayer::builder().respond_with("tier", |_: &(), _: &Failure<'_>| async {
                assert_eq!(Deadline::current(), None);
                sleep(Duration::from_secs(1 << 30)).await;
                Ok(1)
            });
        if let Some(limit) = limit {
            builder = builder.tier_within(limit);
        }
        assert_eq!(builder.build().unwrap().layer(failing()).oneshot(7).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_at_once_and_the_next_tier_for_those_above() {
    let recorder = Recorder::new();
    let most = Arc::new(AtomicUsize::new(0));
    let (at_once, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most));
    let layer = FallbackLayer::builder()
        .observer(recorder.clone())
        .respond_with("narrow", move |_: &(), _: &Failure<'_>| {
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&seen));
            async move {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(SECOND).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                Ok(1)
            }
        })
        .tier_max_concurrent(2)
        .value("constant", |_, _| 2)
        .build()
        .unwrap();
    let service = layer.layer(failing());
    for _ in 0..3 {
        let calls: Vec<_> = (0..5).map(|_| tokio::spawn(service.clone().oneshot(7))).collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().unwrap());
        }
        assert_eq!(answers, [1, 1, 2, 2, 2]);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let full = "fallback fallback: tier narrow failed: \
                fallback `fallback/narrow`: full, 2 of 2 places taken and 0 waiting";
    assert_eq!(recorder.take().iter().filter(|line| *line == full).count(), 9);

    // Whoever hangs up gives back his place at once.
    let hung_up: Vec<_> = (0..2)
        .map(|_| {
            let mut call = task::spawn(service.clone().oneshot(7));
            assert_pending!(call.poll());
            call
        })
        .collect();
    assert_eq!(service.clone().oneshot(7).await.unwrap(), 2);
    drop(hung_up);
    assert_eq!(service.oneshot(7).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_panics_gives_back_its_place() {
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| *n)
        .respond_with("panics", |n: &u32, _: &Failure<'_>| {
            assert_ne!(*n, 1, "told to panic when asked");
            let n = *n;
            async move {
                assert_ne!(n, 2, "told to panic when polled");
                Ok(n)
            }
        })
        .tier_max_concurrent(1)
        .build()
        .unwrap();
    let service = layer.layer(failing());
    for n in [1, 2] {
        assert!(tokio::spawn(service.clone().oneshot(n)).await.unwrap_err().is_panic());
        assert_eq!(service.clone().oneshot(7).await.unwrap(), 7, "after {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_body_of_the_answer_is_over() {
    let body = || [BodyStep::Data("a"), BodyStep::Wait(SECOND), BodyStep::Data("b")];
    let layer = FallbackLayer::builder()
        .protocol(Http::new())
        .value("narrow", move |_: &(), _: &Failure<'_>| Response::new(ScriptedBody::new(body())))
        .tier_max_concurrent(1)
        .build()
        .unwrap();
    let mut service = layer
        .layer(service_fn(async |_: Request<()>| Err::<Response<Full<_>>, BoxError>("x".into())));
    let mut call = async || service.call(Request::new(())).await;

    let mut held = call().await.unwrap();
    assert!(held.frame().await.unwrap().unwrap().is_data());
    assert_eq!(call().await.unwrap_err().to_string(), "x", "the body is not over");
    assert!(held.frame().await.unwrap().unwrap().is_data());
    let second = call().await.expect("the body has said that it is over");
    call().await.unwrap_err();
    drop(second);
    drop(call().await.expect("the body was dropped"));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_place_of_a_tier_that_is_cut_is_free_when_the_next_begins() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let places = Arc::new(AtomicUsize::new(0));
    let dropped = Arc::clone(&places);
    let layer = FallbackLayer::builder()
        .respond_with("hangs", move |_: &(), _: &Failure<'_>| {
            let counts = Counts(Arc::clone(&dropped));
            async move {
                let _counts = counts;
                pending().await
            }
        })
        .tier_within(SECOND)
        .tier_max_concurrent(1)
        .respond_with("looks", move |_, _| {
            let gone = places.load(Ordering::SeqCst) == 1;
            async move { Ok(u32::from(gone)) }
        })
        .build()
        .unwrap();
    let mut call = task::spawn(layer.layer(failing()).oneshot(7));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_eq!(assert_ready!(call.poll()).unwrap(), 1);
}

#[tokio::test]
async fn a_tier_above_its_bound_says_so_by_its_type() {
    let seen: Arc<Mutex<Vec<RejectionKind>>> = Arc::default();
    let kinds = Arc::clone(&seen);
    let observed = FallbackLayer::builder()
        .observer(move |event: &Event<'_>| {
            if let EventKind::TierFailed { cause, .. } = event.kind {
                let rejection = Rejection::find(cause).expect("one of ours");
                kinds.lock().unwrap().push(rejection.kind().clone());
            }
        })
        .respond_with("narrow", |_: &(), _: &Failure<'_>| pending())
        .tier_max_concurrent(1)
        .build()
        .unwrap();
    let service = observed.layer(failing());
    let mut first = task::spawn(service.clone().oneshot(1));
    assert_pending!(first.poll());
    service.oneshot(2).await.unwrap_err();
    let full = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
    assert_eq!(*seen.lock().unwrap(), [full]);
}

#[test]
fn bounds_that_make_no_sense_are_config_errors() {
    let tier = || FallbackLayer::<(), u32>::builder().value("constant", |_, _| 1);
    let error = |builder: buttress_fallback::FallbackLayerBuilder<(), u32>| {
        builder.build().unwrap_err().to_string()
    };
    assert_eq!(
        error(tier().tier_within(Duration::ZERO)),
        "`tier_within` is 0s, but must be longer than zero (Duration::MAX means never)"
    );
    assert_eq!(
        error(tier().tier_max_concurrent(0)),
        "`tier_max_concurrent` is 0, but must be from 1 to 1000000"
    );
    assert_eq!(
        error(tier().tier_max_concurrent(1_000_001)),
        "`tier_max_concurrent` is 1000001, but must be from 1 to 1000000"
    );
    let before =
        FallbackLayer::<(), u32>::builder().tier_within(SECOND).value("constant", |_, _| 1);
    assert_eq!(
        error(before),
        "`tier_within` is said before any tier, but must be said after the tier that it bounds"
    );
    let before = FallbackLayer::<(), u32>::builder().tier_max_concurrent(1).value("c", |_, _| 1);
    assert!(error(before).starts_with("`tier_max_concurrent` is said before any tier"));
    tier().tier_within(Duration::MAX).tier_max_concurrent(1_000_000).build().unwrap();
}

#[tokio::test(start_paused = true)]
async fn that_a_tier_is_full_does_not_hide_that_it_fails() {
    let heard: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let observed = Arc::clone(&heard);
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| *n)
        .observer(move |event: &Event<'_>| {
            if let EventKind::TierFailed { cause, again, .. } = event.kind {
                let is_full = Rejection::find(cause).is_some();
                let what = if is_full { "full".to_owned() } else { cause.to_string() };
                observed.lock().unwrap().push((what, again));
            }
        })
        .respond_with("narrow", |n: &u32, _: &Failure<'_>| {
            let n = *n;
            async move { if n == 0 { pending().await } else { Err::<u32, _>("broken".into()) } }
        })
        .tier_max_concurrent(1)
        .build()
        .unwrap();
    let service = layer.layer(failing());
    let mut first = task::spawn(service.clone().oneshot(0));
    assert_pending!(first.poll());
    for _ in 0..2 {
        service.clone().oneshot(1).await.unwrap_err();
    }
    drop(first);
    for _ in 0..2 {
        service.clone().oneshot(1).await.unwrap_err();
    }
    let say = |what: &str, again| (what.to_owned(), again);
    let expected =
        [say("full", false), say("full", true), say("broken", false), say("broken", true)];
    assert_eq!(*heard.lock().unwrap(), expected);
}
