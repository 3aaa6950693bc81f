//! A call that goes well, through each layer and through all of them.

use std::{hint::black_box, sync::Arc, time::Duration};

use buttress::prelude::*;
use tokio::time::Instant;
use tower::Layer;

use super::SERVED;
use crate::{
    inner::Adds,
    peers::{self, LIMIT, PLACES, ours},
    results::Who,
    subject::Subjects,
};

/// Longer than a run, so that nothing leaves the window.
const WINDOW: Duration = Duration::from_secs(3600);

pub(super) fn add(to: &mut Subjects) {
    to.add_service("bare service", Who::Bare, Adds, SERVED);
    least(to);
    timeout(to);
    retry(to);
    breaker(to);
    bulkhead(to);
    fallback(to);
    chaos(to);
    stacked(to);
}

/// What some layers can not do without: to know when a call began, and to hold what its layer shares until it is
/// over.
fn least(to: &mut Subjects) {
    let read = || {
        black_box(Instant::now());
        true
    };
    to.add("the clock, read once", Who::Bare, 0, read);
    let shared = Arc::new(0);
    let hold = move || {
        drop(black_box(Arc::clone(&shared)));
        true
    };
    to.add("an Arc, held and given back", Who::Bare, 0, hold);
}

fn timeout(to: &mut Subjects) {
    let row = "timeout";
    to.add_service(row, Who::Buttress, ours::timeout(LIMIT, Adds), SERVED);
    to.add_service(row, Who::Tower, peers::tower::timeout(LIMIT, Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(
            row,
            Who::TowerResilience,
            peers::tower_resilience::timeout(LIMIT, Adds),
            SERVED,
        );
        to.add_service(row, Who::Seatbelt, peers::seatbelt::timeout(LIMIT, Adds), SERVED);
    }
}

fn retry(to: &mut Subjects) {
    let row = "retry, with a budget";
    to.add_service(row, Who::Buttress, ours::retry(Adds), SERVED);
    to.add_service(row, Who::Tower, peers::tower::retry(Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::retry_with_budget(10.0, 100, Adds);
        to.add_service(row, Who::TowerResilience, peer, SERVED);
    }
    let row = "retry, without";
    to.add_service(row, Who::Buttress, ours::retry_without_budget(Adds), SERVED);
    to.add_service(row, Who::Tower, peers::tower::retry_without_budget(Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(row, Who::TowerResilience, peers::tower_resilience::retry(Adds), SERVED);
        to.add_service(row, Who::Seatbelt, peers::seatbelt::retry(Adds), SERVED);
    }
}

fn breaker(to: &mut Subjects) {
    let row = "breaker, closed";
    to.add_service(row, Who::Buttress, ours::breaker(Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(row, Who::TowerResilience, peers::tower_resilience::breaker(Adds), SERVED);
        to.add_service(row, Who::Seatbelt, peers::seatbelt::breaker(Adds), SERVED);
        let mut call = peers::failsafe::breaker();
        to.add(row, Who::Failsafe, 1, move || call(black_box(1)) == Some(2));
        let mut call = peers::recloser::breaker();
        to.add(row, Who::Recloser, 1, move || call(black_box(1)) == Some(2));
    }
    let by_calls = ours::breaker_by_rate(Window::last_calls(100), Adds);
    to.add_service("breaker, rate of the last 100 calls", Who::Buttress, by_calls, SERVED);
    let by_time = ours::breaker_by_rate(Window::last(WINDOW), Adds);
    to.add_service("breaker, rate of a time", Who::Buttress, by_time, SERVED);
}

fn bulkhead(to: &mut Subjects) {
    let row = "bulkhead, with room";
    to.add_service(row, Who::Buttress, ours::bulkhead(PLACES, Adds), SERVED);
    to.add_service(row, Who::Tower, peers::tower::bulkhead(PLACES, Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::bulkhead(PLACES, Adds);
        to.add_service(row, Who::TowerResilience, peer, SERVED);
    }
    let named = BulkheadLayer::compartments(|_: &u64| "inventory")
        .compartment(("payment", PLACES))
        .compartment(("inventory", PLACES))
        .compartment(("email", PLACES));
    let named = named.build().expect("valid").layer(Adds);
    to.add_service("bulkhead, one of three by name", Who::Buttress, named, SERVED);
    let waits = BulkheadLayer::builder().max_concurrent(PLACES).max_wait(LIMIT);
    let waits = waits.build().expect("valid").layer(Adds);
    to.add_service("bulkhead, with a queue", Who::Buttress, waits, SERVED);
}

fn fallback(to: &mut Subjects) {
    let row = "fallback, not needed";
    to.add_service(row, Who::Buttress, ours::fallback(Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(
            row,
            Who::TowerResilience,
            peers::tower_resilience::fallback(0, Adds),
            SERVED,
        );
        to.add_service(row, Who::Seatbelt, peers::seatbelt::fallback(0, Adds), SERVED);
    }
}

/// Of faults on demand, none.
fn chaos(to: &mut Subjects) {
    let chaos = || ChaosLayer::new(Faults::none()).expect("valid");
    let (on, off) = (chaos().layer(Adds), chaos().disabled().layer(Adds));
    to.add_service("chaos, without faults", Who::Buttress, on, SERVED);
    to.add_service("chaos, switched off", Who::Buttress, off, SERVED);
}

/// tower has three of the five, seatbelt four: all but the bulkhead.
fn stacked(to: &mut Subjects) {
    let row = "five stacked (tower three, seatbelt four)";
    to.add_service(row, Who::Bare, Adds, SERVED);
    to.add_service(row, Who::Buttress, ours::stacked(Adds), SERVED);
    to.add_service(row, Who::Tower, peers::tower::stacked(Adds), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(
            row,
            Who::TowerResilience,
            peers::tower_resilience::stacked(0, Adds),
            SERVED,
        );
        to.add_service(row, Who::Seatbelt, peers::seatbelt::stacked(0, Adds), SERVED);
    }
}
