//! A call that a layer refuses, gives up or answers itself.

use std::{
    hint::black_box,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use buttress::prelude::*;
use tower::Service;

#[cfg(feature = "peers")]
use super::at_once;
use super::{Expected, REFUSED};
#[cfg(feature = "peers")]
use crate::inner::reached;
use crate::{
    call::{answer, make_ready},
    inner::{Adds, FAILS, Hangs},
    peers::{self, LIMIT, TO_TRIP, ours},
    results::Who,
    subject::Subjects,
};

pub(super) fn add(to: &mut Subjects) {
    open(to);
    full(to);
    too_late(to);
    broke(to);
    degraded(to);
}

fn open(to: &mut Subjects) {
    let row = "breaker, open";
    to.add_service(row, Who::Buttress, tripped(ours::breaker(Adds)), REFUSED);
    #[cfg(feature = "peers")]
    {
        let peer = tripped(peers::tower_resilience::breaker(Adds));
        to.add_service(row, Who::TowerResilience, peer, REFUSED);
        to.add_service(row, Who::Seatbelt, tripped(peers::seatbelt::breaker(Adds)), REFUSED);
        // The service makes its future before the breaker is asked, so it is reached.
        let mut call = peers::failsafe::breaker();
        (0..TO_TRIP).for_each(|_| assert!(call(FAILS).is_none()));
        to.add(row, Who::Failsafe, 1, move || call(black_box(1)).is_none());
        let mut call = peers::recloser::breaker();
        (0..TO_TRIP).for_each(|_| assert!(call(FAILS).is_none()));
        to.add(row, Who::Recloser, 1, move || call(black_box(1)).is_none());
    }
}

fn tripped<S: Service<u64>>(mut service: S) -> S {
    for _ in 0..TO_TRIP {
        answer(&mut service, FAILS);
    }
    service
}

fn full(to: &mut Subjects) {
    let row = "bulkhead, full";
    add_full(to, row, Who::Buttress, ours::bulkhead(1, Hangs));
    add_full(to, row, Who::Tower, peers::tower::bulkhead_that_refuses(1, Hangs));
    #[cfg(feature = "peers")]
    add_full_later(to, row, peers::tower_resilience::bulkhead(1, Hangs));
}

/// The only place is taken by a call that never ends.
fn add_full<S>(to: &mut Subjects, row: &str, who: Who, mut service: S)
where
    S: Service<u64, Response = u64, Future: 'static> + 'static,
{
    let hangs = hanging(&mut service);
    to.add(row, who, 0, move || {
        let _stays = &hangs;
        answer(&mut service, black_box(1)).is_none()
    });
}

/// A call that takes the place, and keeps it.
fn hanging<S>(service: &mut S) -> Pin<Box<dyn Future<Output = Result<u64, S::Error>>>>
where
    S: Service<u64, Response = u64, Future: 'static>,
{
    make_ready(service);
    let mut hangs = Box::pin(service.call(1));
    // Some take it only when they are polled.
    assert!(hangs.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    hangs
}

/// tower-resilience's refuses when a timer of no length fires, which it does at the next tick of its runtime's
/// timers, of a millisecond. Its caller waits for that; here only the work counts, of many that one tick refuses.
#[cfg(feature = "peers")]
fn add_full_later<S>(to: &mut Subjects, row: &str, mut service: S)
where
    S: Service<u64, Response = u64, Future: 'static> + 'static,
{
    const AT_ONCE: u64 = 1_000;
    let hangs = hanging(&mut service);
    let runtime = at_once::runtime();
    to.add_batches(row, Who::TowerResilience, AT_ONCE, move |calls| {
        let (_stays, before) = (&hangs, reached());
        let begin = || {
            make_ready(&mut service);
            service.call(black_box(1))
        };
        let refused = |result: Result<_, _>| assert!(result.is_err(), "it is full");
        let took = at_once::run(&runtime, Duration::ZERO, calls, begin, refused);
        assert_eq!(reached(), before, "none was let through");
        took
    });
}

/// Nobody else has deadlines that travel.
fn too_late(to: &mut Subjects) {
    let mut service = ours::timeout(LIMIT, Adds);
    let past = Deadline::after(Duration::ZERO);
    to.add("timeout, its deadline past", Who::Buttress, 0, move || {
        Deadline::scope(Some(past), || answer(&mut service, black_box(1))).is_none()
    });
}

fn broke(to: &mut Subjects) {
    let row = "retry of a failure, budget empty";
    let fails = Expected { sent: FAILS, answer: None, reaches: 1 };
    to.add_service(row, Who::Buttress, ours::retry_when_broke(Adds), fails);
    to.add_service(row, Who::Tower, peers::tower::retry_when_broke(Adds), fails);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::retry_with_budget(0.0, 0, Adds);
        to.add_service(row, Who::TowerResilience, peer, fails);
    }
}

fn degraded(to: &mut Subjects) {
    let row = "fallback, serves";
    let degraded = Expected { sent: FAILS, answer: Some(0), reaches: 1 };
    to.add_service(row, Who::Buttress, ours::fallback(Adds), degraded);
    #[cfg(feature = "peers")]
    {
        to.add_service(
            row,
            Who::TowerResilience,
            peers::tower_resilience::fallback(0, Adds),
            degraded,
        );
        to.add_service(row, Who::Seatbelt, peers::seatbelt::fallback(0, Adds), degraded);
    }
}
