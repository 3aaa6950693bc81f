//! `size_of` each future over an inner one of eight bytes.
//!
//! A boxed one is small here, and the rest of it is among what a call allocates.

use tower::Service;

use crate::{
    inner::EightBytes,
    peers::{self, LIMIT, PLACES, ours},
    results::Who,
};

/// A row, whose it is, and the size.
type Size = (&'static str, Who, usize);

const STACK: &str = "future of five stacked";

/// The sizes, by rows of their own.
pub fn sizes() -> Vec<Size> {
    ours_and_towers().into_iter().chain(of_peers()).collect()
}

fn ours_and_towers() -> Vec<Size> {
    let inner = || EightBytes;
    vec![
        ("future of the bare service", Who::Bare, of(&inner())),
        ("future of timeout", Who::Buttress, of(&ours::timeout(LIMIT, inner()))),
        ("future of timeout", Who::Tower, of(&peers::tower::timeout(LIMIT, inner()))),
        ("future of retry, with a budget", Who::Buttress, of(&ours::retry(inner()))),
        ("future of retry, with a budget", Who::Tower, of(&peers::tower::retry(inner()))),
        ("future of retry, without", Who::Buttress, of(&ours::retry_without_budget(inner()))),
        ("future of retry, without", Who::Tower, of(&peers::tower::retry_without_budget(inner()))),
        ("future of breaker", Who::Buttress, of(&ours::breaker(inner()))),
        ("future of bulkhead", Who::Buttress, of(&ours::bulkhead(PLACES, inner()))),
        ("future of bulkhead", Who::Tower, of(&peers::tower::bulkhead(PLACES, inner()))),
        ("future of fallback", Who::Buttress, of(&ours::fallback(inner()))),
        (STACK, Who::Buttress, of(&ours::stacked(inner()))),
        (STACK, Who::Tower, of(&peers::tower::stacked(inner()))),
    ]
}

#[cfg(not(feature = "peers"))]
fn of_peers() -> Vec<Size> {
    Vec::new()
}

#[cfg(feature = "peers")]
fn of_peers() -> Vec<Size> {
    let inner = || EightBytes;
    vec![
        (
            "future of timeout",
            Who::TowerResilience,
            of(&peers::tower_resilience::timeout(LIMIT, inner())),
        ),
        ("future of timeout", Who::Seatbelt, of(&peers::seatbelt::timeout(LIMIT, inner()))),
        (
            "future of retry, without",
            Who::TowerResilience,
            of(&peers::tower_resilience::retry(inner())),
        ),
        ("future of retry, without", Who::Seatbelt, of(&peers::seatbelt::retry(inner()))),
        ("future of breaker", Who::TowerResilience, of(&peers::tower_resilience::breaker(inner()))),
        ("future of breaker", Who::Seatbelt, of(&peers::seatbelt::breaker(inner()))),
        ("future of breaker", Who::Failsafe, peers::failsafe::size_of_future()),
        ("future of breaker", Who::Recloser, peers::recloser::size_of_future()),
        (
            "future of bulkhead",
            Who::TowerResilience,
            of(&peers::tower_resilience::bulkhead(PLACES, inner())),
        ),
        (
            "future of fallback",
            Who::TowerResilience,
            of(&peers::tower_resilience::fallback(0, inner())),
        ),
        ("future of fallback", Who::Seatbelt, of(&peers::seatbelt::fallback(0, inner()))),
        (STACK, Who::TowerResilience, of(&peers::tower_resilience::stacked(0, inner()))),
        (STACK, Who::Seatbelt, of(&peers::seatbelt::stacked(0, inner()))),
    ]
}

fn of<S: Service<u64>>(_service: &S) -> usize {
    size_of::<S::Future>()
}
