//! Calls that hang until their time is up.
//!
//! Many at once, so that the millisecond that they wait is no part of what each of them costs: it takes longer
//! to begin all of them. What keeps so many futures costs the same for every library, and stands in the column
//! of the bare service, which is a timer alone.

use std::{rc::Rc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use crate::{
    inner::{Hangs, reached},
    peers::{self, ours},
    results::Who,
    subject::Subjects,
};

/// The shortest that timers know.
const LIMIT: Duration = Duration::from_millis(1);

const AT_ONCE: u64 = 50_000;

const ROW: &str = "timed out, 50,000 at once";

pub(super) fn add(to: &mut Subjects) {
    let runtime = Rc::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let of_its_own = Rc::clone(&runtime);
    to.add_batches(ROW, Who::Bare, AT_ONCE, move |calls| {
        let timers = (0..calls).map(|_| tokio::time::sleep(LIMIT));
        let ended =
            of_its_own.block_on(async { timers.collect::<FuturesUnordered<_>>().count().await });
        assert_eq!(ended as u64, calls);
    });
    add_service(to, Who::Buttress, &runtime, ours::timeout(LIMIT, Hangs));
    add_service(to, Who::Tower, &runtime, peers::tower::timeout(LIMIT, Hangs));
    #[cfg(feature = "peers")]
    {
        add_service(
            to,
            Who::TowerResilience,
            &runtime,
            peers::tower_resilience::timeout(LIMIT, Hangs),
        );
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
        let cut = runtime.block_on(async {
            let mut all = FuturesUnordered::new();
            for _ in 0..calls {
                assert!(std::future::poll_fn(|cx| service.poll_ready(cx)).await.is_ok());
                all.push(service.call(1));
            }
            let mut cut = 0;
            while let Some(result) = all.next().await {
                assert!(result.is_err(), "it hangs until it is cut");
                cut += 1;
            }
            cut
        });
        assert_eq!(cut, calls);
        assert_eq!(reached() - before, calls, "each was begun");
    });
}
