//! How late the machine itself is.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    time::{Instant, sleep_until},
};

/// What a limit may take beyond its time.
const SLACK: Duration = Duration::from_millis(100);

/// Watches how late timers fire on this machine, whoever sets them: that it is busy with other
/// things is not the layer's doing.
///
/// On a thread and a runtime of its own: a layer that blocks the thread of its call is late, and no
/// machine is to blame for it.
pub(crate) struct Lateness {
    worst: Arc<AtomicU64>,
}

impl Lateness {
    pub(crate) fn watch() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let seen = Arc::downgrade(&worst);
        thread::spawn(move || {
            let rt = Builder::new_current_thread().enable_time().build().unwrap();
            rt.block_on(watch_until_dropped(&seen));
        });
        Self { worst }
    }

    /// What has just ended took `limit` from `start` on, and at most the slack more, beside what
    /// the machine itself was late.
    #[track_caller]
    pub(crate) fn assert_in_time(&self, start: Instant, limit: Duration) {
        let took = start.elapsed();
        let machine = Duration::from_micros(self.worst.load(Ordering::Relaxed));
        assert!(took >= limit, "took {took:?}, less than {limit:?}");
        let most = limit + SLACK + machine;
        assert!(took <= most, "took {took:?} of {limit:?}; the machine was {machine:?} late");
    }
}

async fn watch_until_dropped(seen: &Weak<AtomicU64>) {
    while let Some(seen) = seen.upgrade() {
        let due = Instant::now() + Duration::from_millis(5);
        sleep_until(due).await;
        let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        seen.fetch_max(late, Ordering::Relaxed);
    }
}

/// A layer that blocks its thread has no excuse in the timers that it keeps from firing there: they
/// are not those that are watched.
#[expect(clippy::disallowed_methods, reason = "that the thread is blocked is the question")]
#[tokio::test]
async fn it_watches_also_while_this_thread_is_blocked() {
    let lateness = Lateness::watch();
    tokio::task::yield_now().await;
    for _ in 0..60_000 {
        if lateness.worst.load(Ordering::Relaxed) > 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing was seen in a minute, and no timer is never late");
}
