//! tower's contract, kept towards the inner service, the tiers and the caller.

use std::{
    convert::Infallible,
    future::{pending, poll_fn, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_core::{BoxError, Event, EventKind, ReadyCall, Rejection, RejectionKind, Trip};
use buttress_fallback::{Failure, FallbackLayer};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use tokio::time::{Instant, advance, sleep};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::ConcurrencyLimitLayer,
    service_fn,
    util::{BoxCloneService, BoxCloneSyncServiceLayer},
};

const SECOND: Duration = Duration::from_secs(1);

fn constant(answer: u32) -> FallbackLayer<(), u32> {
    FallbackLayer::builder().value("constant", move |_, _| answer).build().unwrap()
}

fn failing() -> (Probe<u32, u32>, ProbeHandle) {
    Probe::new(|_| Reply::Now(Err("inner".into())))
}

/// Counts the futures of a tier that exist.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let mut service = constant(0).layer(probe);
    for n in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n + 1);
    }
    let mut clone = service.clone();
    assert_eq!(clone.ready().await.unwrap().call(7).await.unwrap(), 8);
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    handle.set_readiness(Readiness::Pending);
    let mut service = constant(0).layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call(7));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(call.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_breaks_in_readiness_has_alternatives() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    handle.set_readiness(Readiness::Broken);
    let mut service = constant(9).layer(probe);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    assert_eq!(service.call(1).await.unwrap(), 9);
    assert_eq!(handle.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_view_is_taken_before_the_request_goes() {
    let layer = FallbackLayer::builder()
        .keep(|request: &u32| request + 1)
        .value("double", |view, _failure| view * 2)
        .build()
        .unwrap();
    let (probe, _handle) = failing();
    assert_eq!(layer.layer(probe).oneshot(20).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_tier_from_before_keep_still_serves() {
    let layer = FallbackLayer::builder()
        .respond_with("blind", |(), _failure| ready(Err("blind".into())))
        .keep(|request: &u32| *request)
        .value("seeing", |view, _failure| *view)
        .build()
        .unwrap();
    let (probe, _handle) = failing();
    assert_eq!(layer.layer(probe).oneshot(7).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_service_tier_is_called_ready_and_claimed_only_after_a_failure() {
    let (tier, tier_handle) = Probe::new(|n: u32| Reply::Now(Ok(n * 10)));
    let layer = FallbackLayer::builder().keep(|n: &u32| *n).service("other", tier).build().unwrap();
    let (probe, _handle) =
        Probe::new(|n: u32| Reply::Now(if n == 0 { Ok(0) } else { Err(BoxError::from("inner")) }));
    let service = layer.layer(probe);
    assert_eq!(service.clone().oneshot(0).await.unwrap(), 0);
    assert_eq!((tier_handle.calls(), tier_handle.reserved()), (0, 0));
    assert_eq!(service.clone().oneshot(4).await.unwrap(), 40);

    tier_handle.set_readiness(Readiness::Pending);
    let mut call = task::spawn(service.oneshot(5));
    assert_pending!(call.poll());
    tier_handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()).unwrap(), 50);
    assert_eq!((tier_handle.calls(), tier_handle.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_tier_that_breaks_in_readiness_falls_to_the_next() {
    let (tier, tier_handle) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    tier_handle.set_readiness(Readiness::Broken);
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| *n)
        .service("broken", tier)
        .value("constant", |_, _| 9)
        .build()
        .unwrap();
    let (probe, _handle) = failing();
    assert_eq!(layer.layer(probe).oneshot(1).await.unwrap(), 9);
    assert_eq!(tier_handle.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_call_held_is_free_before_a_tier_begins() {
    // The tier goes through the same single place as the call that it stands in for.
    let (probe, handle) = Probe::new(|n: u32| {
        Reply::Now(if n < 10 { Err(BoxError::from("too small")) } else { Ok(n) })
    });
    let limited = ConcurrencyLimitLayer::new(1).layer(probe);
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| n + 1)
        .service("one more", limited.clone())
        .service("another ten", limited.clone().map_request(|n| n + 10))
        .build()
        .unwrap();
    let mut call = task::spawn(layer.layer(limited).oneshot(3));
    assert_eq!(assert_ready!(call.poll()).unwrap(), 14);
    assert_eq!((handle.calls(), handle.reserved()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_drops_everything_at_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&alive);
    let slow = move |_: &(), _: &Failure<'_>| {
        let alive = Alive::new(&count);
        async move {
            sleep(SECOND).await;
            drop(alive);
            Err("slow".into())
        }
    };
    let (last, last_handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = FallbackLayer::builder()
        .respond_with("first", slow.clone())
        .respond_with("second", slow)
        .service("last", last)
        .build()
        .unwrap();

    // Unpolled; in readiness; in the call; in the first, the second and the last tier.
    for point in 0..6 {
        let (probe, handle) = Probe::new(|(): ()| Reply::After(SECOND, Err("inner".into())));
        if point == 1 {
            handle.set_readiness(Readiness::Pending);
        }
        let calls_of_last = last_handle.calls();
        let mut call = task::spawn(layer.layer(probe).oneshot(()));
        if point > 0 {
            assert_pending!(call.poll());
        }
        for _ in 2..point {
            advance(SECOND).await;
            assert_pending!(call.poll());
        }
        assert_eq!(alive.load(Ordering::SeqCst), usize::from(point == 3 || point == 4), "{point}");
        assert_eq!(last_handle.calls() - calls_of_last, usize::from(point == 5), "{point}");
        assert_eq!(handle.completed(), usize::from(point > 2), "{point}");
        drop(call);
        assert_eq!((handle.in_flight(), handle.reserved()), (0, 0), "{point}");
        assert_eq!((last_handle.in_flight(), last_handle.reserved()), (0, 0), "{point}");
        assert_eq!(alive.load(Ordering::SeqCst), 0, "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_is_dropped_before_the_next_begins() {
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = |name: &'static str| {
        let alive = Arc::clone(&alive);
        move |_: &(), _: &Failure<'_>| {
            let before = alive.load(Ordering::SeqCst);
            let alive = Alive::new(&alive);
            assert_eq!(before, 0, "{name} began while another was there");
            // Held until the future is dropped, not only until it is done.
            poll_fn(move |_cx| {
                let _held = &alive;
                Poll::Ready(Err::<(), BoxError>(name.into()))
            })
        }
    };
    let layer = FallbackLayer::builder()
        .respond_with("first", counted("first"))
        .respond_with("second", counted("second"))
        .build()
        .unwrap();
    let inner = service_fn(async |_: ()| Err::<(), BoxError>("inner".into()));
    assert_eq!(layer.layer(inner).oneshot(()).await.unwrap_err().to_string(), "inner");
}

#[tokio::test(start_paused = true)]
async fn a_panic_goes_through_and_leaves_the_service_usable() {
    let in_serve = |view: &u32, _: &Failure<'_>| {
        assert_ne!(*view, 3, "told to panic when asked");
        let view = *view;
        async move {
            assert_ne!(view, 4, "told to panic when polled");
            Err("not this tier".into())
        }
    };
    let (tier, tier_handle) = Probe::new(|n: u32| match n {
        5 => Reply::PanicInCall,
        6 => Reply::Panic,
        n => Reply::Now(Ok(n)),
    });
    let layer = FallbackLayer::builder()
        .keep(|n: &u32| *n)
        .respond_with("function", in_serve)
        .service("service", tier)
        .build()
        .unwrap();
    let (probe, handle) = Probe::new(|n: u32| match n {
        1 => Reply::PanicInCall,
        2 => Reply::Panic,
        _ => Reply::Now(Err("inner".into())),
    });
    let service = layer.layer(probe);
    for n in 1..=6 {
        let panicked = tokio::spawn(service.clone().oneshot(n)).await.unwrap_err();
        assert!(panicked.is_panic(), "{n}");
        assert_eq!(service.clone().oneshot(7).await.unwrap(), 7, "after {n}");
    }
    assert_eq!((handle.in_flight(), tier_handle.in_flight()), (0, 0));
    assert_eq!((handle.reserved(), tier_handle.reserved()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_service_tier_is_cloned_does_not_lock_it_up() {
    struct Fragile(Arc<AtomicUsize>);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert_ne!(self.0.fetch_add(1, Ordering::SeqCst), 0, "told to panic once");
            Self(Arc::clone(&self.0))
        }
    }
    let fragile = Fragile(Arc::default());
    let tier = service_fn(move |_: ()| {
        let _ = &fragile;
        ready(Ok::<_, Infallible>(9))
    });
    let layer = FallbackLayer::builder().service("fragile", tier).build().unwrap();
    let service = layer.layer(service_fn(async |_: ()| Err::<u32, BoxError>("inner".into())));
    assert!(tokio::spawn(service.clone().oneshot(())).await.unwrap_err().is_panic());
    assert_eq!(service.oneshot(()).await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn says_once_what_happened_and_nothing_of_a_happy_call() {
    let recorder = Recorder::new();
    let layer = FallbackLayer::builder()
        .name("prices")
        .observer(recorder.clone())
        .respond_with("cache", |(), _failure| ready(Err("cold".into())))
        .value("list price", |(), _failure| 9)
        .build()
        .unwrap();
    let (probe, _handle) = Probe::new(|fail: bool| {
        Reply::Now(if fail { Err(BoxError::from("inner")) } else { Ok(1) })
    });
    let service = layer.layer(probe);
    service.clone().oneshot(false).await.unwrap();
    assert!(recorder.take().is_empty());
    service.oneshot(true).await.unwrap();
    assert_eq!(
        recorder.take(),
        [
            "fallback prices: falling back",
            "fallback prices: tier cache failed: cold",
            "fallback prices: served by list price"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn that_a_tier_fails_is_new_once_a_minute_each_tier_for_itself() {
    let heard: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let observed = Arc::clone(&heard);
    let layer = FallbackLayer::builder()
        .observer(move |event: &Event<'_>| {
            if let EventKind::TierFailed { tier, again, .. } = event.kind {
                observed.lock().unwrap().push((tier.to_owned(), again));
            }
        })
        .keep(|both: &bool| *both)
        .respond_with("first", |both, _failure| ready(if *both { Err("no".into()) } else { Ok(1) }))
        .respond_with("second", |_, _failure| ready(Err("no".into())))
        .build()
        .unwrap();
    let service = layer.layer(service_fn(async |_: bool| Err::<u32, BoxError>("inner".into())));
    let heard_of = async || {
        service.clone().oneshot(true).await.unwrap_err();
        std::mem::take(&mut *heard.lock().unwrap())
    };
    let both = |again| vec![("first".to_owned(), again), ("second".to_owned(), again)];
    assert_eq!(heard_of().await, both(false));
    assert_eq!(heard_of().await, both(true));
    advance(60 * SECOND).await;
    assert_eq!(heard_of().await, both(false));
}

#[tokio::test(start_paused = true)]
async fn the_failure_is_observed_before_a_tier_is_asked() {
    let recorder = Recorder::new();
    let seen = recorder.clone();
    let layer = FallbackLayer::builder()
        .observer(recorder)
        .respond_with("looks", move |(), _failure| ready(Ok(seen.take())))
        .build()
        .unwrap();
    let inner = service_fn(async |_: ()| Err::<Vec<String>, BoxError>("inner".into()));
    assert_eq!(layer.layer(inner).oneshot(()).await.unwrap(), ["fallback fallback: falling back"]);
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let sometimes = service_fn(async |n: u32| {
        sleep(SECOND).await;
        if n.is_multiple_of(2) { Ok(n) } else { Err(BoxError::from("odd")) }
    });
    let limited = || {
        ServiceBuilder::new()
            .layer(BufferLayer::new(8))
            .layer(ConcurrencyLimitLayer::new(1))
            .service(sometimes)
    };
    let fallback = FallbackLayer::builder()
        .keep(|n: &u32| n + 1)
        .service("even", BoxCloneService::new(limited()))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new().layer(BufferLayer::new(8)).layer(fallback),
        ))
        .service(limited());
    let start = Instant::now();
    let calls: Vec<_> = (0..6).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, call) in (0_u32..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n.div_ceil(2) * 2);
    }
    // Six in a row through the one place, and the last tier's call in the other.
    assert_eq!(start.elapsed(), 7 * SECOND);
}

#[tokio::test]
async fn auto_traits() {
    let boxed = BoxCloneService::new(service_fn(async |_: ()| Ok::<_, Infallible>(1)));
    let layer = FallbackLayer::builder()
        .service("not sync", boxed)
        .respond_with("hangs", |(), _failure| pending())
        .build()
        .unwrap();
    assert_layer_traits(&layer);
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(1)));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}

#[tokio::test]
async fn shows_what_it_is_made_of() {
    let layer = constant(1);
    let name = "FallbackLayer { name: \"fallback\", tiers: [\"constant\"], .. }";
    assert_eq!(format!("{layer:?}"), name);
}

#[tokio::test]
async fn rejections_are_found_by_tiers() {
    let layer = FallbackLayer::builder()
        .value("which", |(), failure| failure.rejection().map(|rejection| rejection.kind().clone()))
        .build()
        .unwrap();
    let open = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
    let refuses = {
        let open = open.clone();
        service_fn(move |_: ()| {
            let rejection = Rejection::new("breaker", Arc::from("breaker"), open.clone());
            ready(Err::<Option<RejectionKind>, _>(rejection))
        })
    };
    assert_eq!(layer.layer(refuses).oneshot(()).await.unwrap(), Some(open));
}

#[tokio::test]
async fn a_call_that_goes_well_carries_no_room_for_one_that_does_not() {
    // Its future is small and what it gives is large.
    let inner = service_fn(|_: u32| pending::<Result<[u8; 4096], Infallible>>());
    let call = size_of_val(&ReadyCall::start(&mut inner.clone(), 1));
    let layer = FallbackLayer::builder()
        .keep(|request: &u32| u64::from(*request))
        .value("large", |_, _| [0; 4096])
        .build()
        .unwrap();
    let future = layer.layer(inner).call(1);
    // The call, the view, the layer, and what tells the states apart.
    let room = call + size_of::<u64>() + 2 * size_of::<usize>();
    assert!(size_of_val(&future) <= room, "{} > {room}", size_of_val(&future));
}

/// What was kept of the request is let go with the result, though the future is still there: it may be a
/// copy of a body, of which nothing need be kept any more.
#[tokio::test(start_paused = true)]
async fn the_view_goes_with_the_result() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let layer = FallbackLayer::builder()
        .keep(move |_: &u32| Arc::clone(&kept))
        .when(|_| false)
        .value("constant", |_, _| 0)
        .build()
        .unwrap();
    for fails in [false, true] {
        let (probe, _inner) =
            Probe::new(move |n: u32| Reply::Now(if fails { Err("inner".into()) } else { Ok(n) }));
        let before = Arc::strong_count(&held);
        let mut call = task::spawn(layer.layer(probe).call(7));
        assert_eq!(Arc::strong_count(&held), before + 1);
        assert_eq!(assert_ready!(call.poll()).is_err(), fails);
        assert_eq!(Arc::strong_count(&held), before, "fails: {fails}");
    }
}
