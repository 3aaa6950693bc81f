//! The changes of a circuit, as a stream.

use std::{any::Any, future::poll_fn, pin::Pin, task::Poll, time::Duration};

use buttress_breaker::{BreakerHandle, BreakerLayer, Transitions};
use buttress_core::{
    CircuitState::{self, Closed, HalfOpen, Open},
    Trip,
};
use buttress_testkit::{Probe, Reply, assert_pending, assert_ready, task};
use futures_core::Stream;
use tokio::{
    task::unconstrained,
    time::{Instant, advance},
};
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const OPEN_FOR: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(10);

/// How far behind a subscriber may be.
const BACKLOG: usize = 1_000;

fn first_failure() -> BreakerLayer {
    let builder = BreakerLayer::builder().consecutive_failures(1);
    builder.open_for(OPEN_FOR).probe_lease(LEASE).build().unwrap()
}

/// What has come so far.
fn received(transitions: &mut Transitions) -> Vec<(CircuitState, CircuitState, Option<Trip>)> {
    let mut received = Vec::new();
    let mut generation = None;
    // Without a budget, or tokio has a task that is always busy wait.
    while let Poll::Ready(Some(transition)) = task::spawn(unconstrained(transitions.next())).poll()
    {
        assert!(Some(transition.generation) > generation, "in their order");
        generation = Some(transition.generation);
        received.push((transition.from, transition.to, transition.why));
    }
    received
}

/// Makes this many changes.
fn change(handle: &BreakerHandle, times: usize) {
    for number in 0..times {
        if number % 2 == 0 { handle.force_open() } else { handle.reset() }
    }
}

#[tokio::test(start_paused = true)]
async fn tells_each_change_in_order_with_its_time_and_reason() {
    let layer = first_failure();
    let (probe, _inner) = Probe::new(|act| match act {
        "fail" => Reply::Now(Err("down".into())),
        "hang" => Reply::Never,
        _ => Reply::Now(Ok(())),
    });
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    let mut early = handle.subscribe();
    let start = Instant::now();
    service.call("fail").await.unwrap_err();
    advance(OPEN_FOR).await;
    let _lost = service.call("hang");
    let mut late = layer.handle().subscribe();
    // Two changes are due by then, and nobody looks in time.
    advance(LEASE + OPEN_FOR + SECOND).await;
    service.call("succeed").await.unwrap();
    let lost = OPEN_FOR + LEASE;
    let mut expected = vec![
        (Closed, Open, Some(Trip::ConsecutiveFailures(1)), Duration::ZERO),
        (Open, HalfOpen, None, OPEN_FOR),
        (HalfOpen, Open, Some(Trip::ProbeLost), lost),
        (Open, HalfOpen, None, lost + OPEN_FOR),
        (HalfOpen, Closed, None, lost + OPEN_FOR + SECOND),
    ];
    for subscriber in [&mut early, &mut late] {
        for (from, to, why, at) in expected.drain(..) {
            let next = assert_ready!(task::spawn(subscriber.next()).poll()).unwrap();
            assert_eq!((next.from, next.to, next.why), (from, to, why));
            assert_eq!(next.at - start, at, "{from} -> {to}");
        }
        expected = vec![
            (HalfOpen, Open, Some(Trip::ProbeLost), lost),
            (Open, HalfOpen, None, lost + OPEN_FOR),
            (HalfOpen, Closed, None, lost + OPEN_FOR + SECOND),
        ];
        assert_pending!(task::spawn(subscriber.next()).poll());
    }
    assert_eq!(handle.snapshot().since - start, lost + OPEN_FOR + SECOND);
}

#[tokio::test(start_paused = true)]
async fn is_a_stream_that_wakes_its_task() {
    let layer = first_failure();
    let mut transitions = layer.handle().subscribe();
    let next = poll_fn(move |cx| Pin::new(&mut transitions).poll_next(cx));
    let mut next = task::spawn(next);
    assert_pending!(next.poll());
    layer.handle().force_open();
    assert!(next.is_woken());
    let transition = assert_ready!(next.poll()).unwrap();
    assert_eq!((transition.to, transition.why), (Open, Some(Trip::Forced)));
    assert_pending!(next.poll());
}

/// What `next` waits for is not lost with it, as in a `select`.
#[tokio::test(start_paused = true)]
async fn a_next_that_is_dropped_loses_nothing() {
    let layer = first_failure();
    let mut transitions = layer.handle().subscribe();
    let mut next = task::spawn(transitions.next());
    assert_pending!(next.poll());
    layer.handle().force_open();
    drop(next);
    assert_eq!(received(&mut transitions).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_is_let_go() {
    let handle = first_failure().handle();
    let mut reads = handle.subscribe();
    let mut full = handle.subscribe();
    change(&handle, BACKLOG);
    let mut sleeps = handle.subscribe();
    assert_eq!(received(&mut reads).len(), BACKLOG);
    assert_eq!(received(&mut full).len(), BACKLOG, "just not too far behind");
    change(&handle, BACKLOG + 1);
    assert_eq!(received(&mut reads).len(), BACKLOG);
    change(&handle, BACKLOG);
    assert_eq!(received(&mut sleeps).len(), BACKLOG, "nothing came after those");
    assert_eq!(assert_ready!(task::spawn(sleeps.next()).poll()), None);
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn ends_with_the_last_who_holds_the_circuit() {
    let layer = first_failure();
    let (probe, _inner) = Probe::new(|_: ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let handle = layer.handle();
    let mut transitions = handle.subscribe();
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    let mut next = task::spawn(transitions.next());
    let holders: [Box<dyn Any>; 3] = [Box::new(layer), Box::new(service), Box::new(handle)];
    for holder in holders {
        assert_pending!(next.poll());
        drop(holder);
    }
    assert_pending!(next.poll(), "a call is out");
    drop(call);
    assert!(next.is_woken());
    assert_eq!(assert_ready!(next.poll()), None);
}
