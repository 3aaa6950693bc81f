//! Calls that hang until their time is up: what it takes to begin one, to have its timer fire and to end it. The
//! wait between is no cost.
//!
//! Each is in a box, which is among
//! what is allocated, and stands in the column of the bare service, where there is a timer and nothing else.

use std::{rc::Rc, time::Duration};

use tokio::{runtime::Runtime, time::sleep};
use tower::Service;

use super::at_once::{run, runtime};
use crate::{
    call::make_ready,
    inner::{Hangs, reached},
    peers::{self, ours},
    results::Who,
    subject::Subjects,
};

/// Longer than it takes to begin all of them.
const LIMIT: Duration = Duration::from_millis(50);

const AT_ONCE: u64 = 10_000;

const ROW: &str = "timed out, 10,000 at once";

pub(super) fn add(to: &mut Subjects) {
    let runtime = runtime();
    let of_its_own = Rc::clone(&runtime);
    to.add_batches(ROW, Who::Bare, AT_ONCE, move |calls| {
        run(&of_its_own, LIMIT, calls, || sleep(LIMIT), |()| {})
    });
    add_service(to, Who::Buttress, &runtime, ours::timeout(LIMIT, Hangs));
    add_service(to, Who::Tower, &runtime, peers::tower::timeout(LIMIT, Hangs));
    #[cfg(feature = "peers")]
    {
        let peer = peers::tower_resilience::timeout(LIMIT, Hangs);
        add_service(to, Who::TowerResilience, &runtime, peer);
        let _its_clock_is_driven_by_this = runtime.enter();
        add_service(to, Who::Seatbelt, &runtime, peers::seatbelt::timeout(LIMIT, Hangs));
    }
}

fn add_service<S>(to: &mut Subjects, who: Who, runtime: &Rc<Runtime>, mut service: S)
where
    S: Service<u64, Response = u64> + 'static,
{
    let runtime = Rc::clone(runtime);
    to.add_batches(ROW, who, AT_ONCE, move |calls| {
        let before = reached();
        let begin = || {
            make_ready(&mut service);
            service.call(1)
        };
        let took =
            run(&runtime, LIMIT, calls, begin, |result| assert!(result.is_err(), "it hangs"));
        assert_eq!(reached() - before, calls, "each was begun");
        took
    });
}
