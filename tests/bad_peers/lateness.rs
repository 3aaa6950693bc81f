//! How late the machine itself is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// What a limit may take beyond its time.
const SLACK: Duration = Duration::from_millis(100);

/// Watches how late timers of this runtime fire, whoever sets them: on a machine that is busy with
/// other things that is not the layer's doing.
pub(crate) struct Lateness {
    worst: Arc<AtomicU64>,
    watch: JoinHandle<()>,
}

impl Lateness {
    pub(crate) fn watch() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&worst);
        let watch = tokio::spawn(async move {
            loop {
                let due = Instant::now() + Duration::from_millis(5);
                sleep_until(due).await;
                let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                seen.fetch_max(late, Ordering::Relaxed);
            }
        });
        Self { worst, watch }
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

impl Drop for Lateness {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
