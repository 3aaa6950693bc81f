//! Runtimes with one worker, and what tests ask of them.

use std::{
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, sleep, timeout},
};

/// How long anything may take on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime whose one thread has its name; dropped, it shuts down and waits for nothing.
pub(crate) struct Apart(Option<Runtime>);

impl Apart {
    pub(crate) fn new(name: &str) -> Self {
        let mut builder = Builder::new_multi_thread();
        Self(Some(builder.worker_threads(1).thread_name(name).enable_time().build().unwrap()))
    }

    pub(crate) fn handle(&self) -> Handle {
        self.0.as_ref().expect("until it is dropped").handle().clone()
    }

    /// Blocks its thread until there is word.
    pub(crate) fn block(&self) -> Sender<()> {
        let ((release, released), (began, begins)) = (mpsc::channel(), mpsc::channel());
        self.handle().spawn(async move {
            began.send(()).unwrap();
            // Without word in time the test fails elsewhere.
            let _ = released.recv_timeout(PATIENCE);
        });
        begins.recv_timeout(PATIENCE).unwrap();
        release
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn thread_name() -> String {
    thread::current().name().unwrap_or("nameless").to_owned()
}

/// What comes of it; if nothing does, the test fails and does not hang.
pub(crate) async fn within_patience<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it ends")
}

/// Waits until it holds: another thread sees to it.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}
