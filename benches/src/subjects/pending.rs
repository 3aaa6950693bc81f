//! A call that waits once: pending at first, then woken.

use super::SERVED;
use crate::{
    inner::WakesOnce,
    peers::{self, LIMIT, PLACES, ours},
    results::Who,
    subject::Subjects,
};

pub(super) fn add(to: &mut Subjects) {
    let row = "timeout, one wake-up";
    to.add_service(row, Who::Bare, WakesOnce, SERVED);
    to.add_service(row, Who::Buttress, ours::timeout(LIMIT, WakesOnce), SERVED);
    to.add_service(row, Who::Tower, peers::tower::timeout(LIMIT, WakesOnce), SERVED);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::timeout(LIMIT, WakesOnce);
        to.add_service(row, Who::TowerResilience, peer, SERVED);
        to.add_service(row, Who::Seatbelt, peers::seatbelt::timeout(LIMIT, WakesOnce), SERVED);
    }
    let row = "breaker, one wake-up";
    to.add_service(row, Who::Buttress, ours::breaker(WakesOnce), SERVED);
    #[cfg(feature = "peers")]
    {
        to.add_service(
            row,
            Who::TowerResilience,
            peers::tower_resilience::breaker(WakesOnce),
            SERVED,
        );
        to.add_service(row, Who::Seatbelt, peers::seatbelt::breaker(WakesOnce), SERVED);
    }
    let row = "bulkhead, one wake-up";
    to.add_service(row, Who::Buttress, ours::bulkhead(PLACES, WakesOnce), SERVED);
    to.add_service(row, Who::Tower, peers::tower::bulkhead(PLACES, WakesOnce), SERVED);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::bulkhead(PLACES, WakesOnce);
        to.add_service(row, Who::TowerResilience, peer, SERVED);
    }
    let row = "five stacked, one wake-up";
    to.add_service(row, Who::Buttress, ours::stacked(WakesOnce), SERVED);
    to.add_service(row, Who::Tower, peers::tower::stacked(WakesOnce), SERVED);
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::stacked(0, WakesOnce);
        to.add_service(row, Who::TowerResilience, peer, SERVED);
        to.add_service(row, Who::Seatbelt, peers::seatbelt::stacked(0, WakesOnce), SERVED);
    }
}
