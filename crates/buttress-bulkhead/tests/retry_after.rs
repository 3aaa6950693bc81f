//! When a refused call is told to come back: about when there may be a place.

use std::time::Duration;

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, BulkheadLayerBuilder};
use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply, assert_ready, task};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// What is told where nothing is known.
const UNKNOWN: Duration = SECOND;
/// No more than this is ever told.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a call takes; none if it hangs.
type Takes = Option<Duration>;

const HANGS: Takes = None;
const TAKES: Takes = Some(Duration::from_millis(100));

fn probe() -> Probe<Takes, ()> {
    Probe::new(|takes: Takes| match takes {
        Some(takes) => Reply::After(takes, Ok(())),
        None => Reply::Never,
    })
    .0
}

fn four() -> BulkheadLayerBuilder {
    BulkheadLayer::builder().max_concurrent(4)
}

/// What it was refused for, and when it is to come back.
fn told(error: &BoxError) -> (RejectionKind, Duration) {
    let rejection = Rejection::find(error.as_ref()).expect("a rejection");
    let delay = rejection.retry_after().expect("it is told when to come back");
    assert!(delay > Duration::ZERO && delay <= LONGEST, "{delay:?}");
    (rejection.kind().clone(), delay)
}

/// What a call that is refused at once is told.
fn refused<S>(service: &mut S) -> Duration
where
    S: Service<Takes, Response = (), Error = BoxError>,
{
    told(&assert_ready!(task::spawn(service.call(HANGS)).poll()).unwrap_err()).1
}

/// How many places he and those before him want.
fn places(kind: &RejectionKind) -> u32 {
    let RejectionKind::QueueTimeout { queued, .. } = kind else { panic!("{kind}") };
    u32::try_from(queued + 1).unwrap()
}

/// Every 10 ms a call that takes 100 ms, for two seconds. What those were told that came in the second
/// one, when the pace was known: with four places, one is free every 25 ms.
async fn rush<S>(service: &S) -> Vec<(RejectionKind, Duration)>
where
    S: Service<Takes, Response = (), Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let mut calls = Vec::new();
    for _ in 0..200 {
        calls.push(tokio::spawn(service.clone().oneshot(TAKES)));
        sleep(10 * MILLI).await;
    }
    let mut refusals = Vec::new();
    for call in calls.split_off(100) {
        // Of those that still wait at the end nothing is known.
        if call.is_finished()
            && let Err(error) = call.await.unwrap()
        {
            refusals.push(told(&error));
        }
    }
    assert!(refusals.len() > 20, "{}", refusals.len());
    refusals
}

/// Off by a tenth at most: it is seen over a second and more, in which forty leave, four close together.
fn assert_about(delay: Duration, right: Duration) {
    assert!(delay >= right * 9 / 10 && delay <= right * 11 / 10, "{delay:?} is not {right:?}");
}

/// After a rush, four calls in flight that hang.
async fn hang<S>(service: &mut S, handle: &BulkheadHandle) -> Vec<S::Future>
where
    S: Service<Takes, Response = (), Error = BoxError>,
{
    sleep(101 * MILLI).await;
    assert_eq!(handle.in_flight(), 0, "those that do not hang are over");
    (0..4).map(|_| service.call(HANGS)).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_at_first() {
    let mut service = four().build().unwrap().layer(probe());
    let _in_flight: Vec<_> = (0..4).map(|_| service.call(HANGS)).collect();
    assert_eq!((refused(&mut service), refused(&mut service)), (UNKNOWN, UNKNOWN));
}

#[tokio::test(start_paused = true)]
async fn of_a_steady_pace_it_is_that_pace() {
    let service = four().build().unwrap().layer(probe());
    for (kind, delay) in rush(&service).await {
        assert_eq!(kind, RejectionKind::BulkheadFull { limit: 4, in_flight: 4, queued: 0 });
        assert_about(delay, 25 * MILLI);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_come_first() {
    let waits = four().max_wait(Duration::MAX).max_queue(7);
    for (kind, delay) in rush(&waits.build().unwrap().layer(probe())).await {
        assert_eq!(kind, RejectionKind::BulkheadFull { limit: 4, in_flight: 4, queued: 7 });
        assert_about(delay, 8 * 25 * MILLI);
    }
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_waiting_is_told_as_well() {
    let waits = four().max_wait(60 * MILLI).max_queue(100);
    let mut most = 0;
    for (kind, delay) in rush(&waits.build().unwrap().layer(probe())).await {
        let places = places(&kind);
        assert_about(delay, places * 25 * MILLI);
        most = most.max(places);
    }
    assert!(most > 2, "others waited behind them");

    // And if he is the first of whom anything is heard.
    let mut service = four().max_wait(SECOND).build().unwrap().layer(probe());
    let _in_flight: Vec<_> = (0..4).map(|_| service.call(HANGS)).collect();
    let (kind, delay) = told(&service.call(HANGS).await.unwrap_err());
    assert!(matches!(kind, RejectionKind::QueueTimeout { .. }), "{kind}");
    assert_eq!(delay, UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn where_the_limit_has_shrunk_some_must_leave_first() {
    let layer = four().build().unwrap();
    let mut service = layer.layer(probe());
    rush(&service).await;
    let _in_flight = hang(&mut service, &layer.handle()).await;
    for (limit, places) in [(4, 1), (3, 2), (1, 4)] {
        layer.handle().set_limit(limit).unwrap();
        assert_about(refused(&mut service), places * 25 * MILLI);
    }
}

#[tokio::test(start_paused = true)]
async fn where_none_leaves_it_grows_with_the_time_that_it_has_been_so() {
    let layer = four().build().unwrap();
    let mut service = layer.layer(probe());
    let in_flight: Vec<_> = (0..4).map(|_| service.call(HANGS)).collect();
    assert_eq!(refused(&mut service), UNKNOWN);
    for seconds in 1..100 {
        advance(SECOND).await;
        assert_eq!(refused(&mut service), (seconds * SECOND).min(LONGEST), "as long again");
    }
    drop(in_flight);

    // The same after a time in which all was well.
    rush(&service).await;
    let _in_flight = hang(&mut service, &layer.handle()).await;
    let mut former = refused(&mut service);
    assert_about(former, 25 * MILLI);
    for _ in 0..400 {
        advance(100 * MILLI).await;
        let delay = refused(&mut service);
        assert!(delay >= former, "{delay:?} after {former:?}");
        former = delay;
    }
    assert_eq!(former, LONGEST);
}

/// Between two bursts places are free: how few left in that time says nothing of how fast they do.
#[tokio::test(start_paused = true)]
async fn rare_bursts_are_not_told_the_time_between_them() {
    let layer = four().build().unwrap();
    let mut service = layer.layer(probe());
    for _ in 0..5 {
        let calls: Vec<_> = (0..4).map(|_| tokio::spawn(service.call(TAKES))).collect();
        assert_eq!(refused(&mut service), UNKNOWN);
        for _ in 0..9 {
            advance(10 * MILLI).await;
            assert!(refused(&mut service) <= UNKNOWN);
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        advance(60 * SECOND).await;
    }
}

/// Of 10 s each, on one place: refusals that lie further apart than those of a quick dependency may.
#[tokio::test(start_paused = true)]
async fn a_slow_pace_is_kept_where_refusals_are_rare() {
    let layer = BulkheadLayer::new(1).unwrap();
    let mut service = layer.layer(probe());
    let mut taken = service.call(HANGS);
    for tick in 0..400 {
        if tick % 34 == 33 {
            drop(taken);
            taken = service.call(HANGS);
        }
        let delay = refused(&mut service);
        assert!(tick < 100 || delay > 5 * SECOND, "{delay:?} at {tick}");
        advance(300 * MILLI).await;
    }
}

/// A place that goes through many who have no use for it any more has not come back so often.
#[tokio::test(start_paused = true)]
async fn places_that_nobody_took_are_no_pace() {
    let builder = BulkheadLayer::builder().max_concurrent(1).max_queue(100);
    let layer = builder.max_wait(Duration::MAX).build().unwrap();
    let mut service = layer.layer(probe());
    let mut taken = service.call(HANGS);
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        let soon = Some(Deadline::after(50 * MILLI));
        let late = || task::spawn(Deadline::scope(soon, || service.clone().call(HANGS)));
        let late: Vec<_> = (0..99).map(|_| late()).collect();
        let heir = service.call(HANGS);
        last = refused(&mut service);
        advance(100 * MILLI).await;
        drop(taken);
        for mut late in late {
            assert!(assert_ready!(late.poll()).is_err());
        }
        let mut heir = task::spawn(heir);
        assert!(heir.poll().is_pending());
        taken = heir.into_inner();
    }
    assert!(last > 9 * SECOND && last < 11 * SECOND, "101 places, one each 100 ms: {last:?}");
}
