//! Bodies that count themselves.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use futures_util::stream;
use tokio::{sync::watch, time::sleep};

/// The bodies of a server: how many are there at once, from the call of the handler to their last
/// frame or their drop, and when they may end.
///
/// The bulkhead's own figures are what is under test, so these are counted apart.
#[derive(Clone)]
pub(crate) struct Stage {
    counts: Arc<Counts>,
    curtain: watch::Sender<bool>,
}

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

/// One that is counted.
struct OnStage(Arc<Counts>);

/// A body that is played.
struct Act {
    frame: usize,
    frames: usize,
    gap: Duration,
    curtain: watch::Receiver<bool>,
    _on_stage: OnStage,
}

impl Stage {
    /// One whose bodies do not end before they may.
    pub(crate) fn new() -> Self {
        Self { counts: Arc::default(), curtain: watch::Sender::new(false) }
    }

    /// A body of so many frames, with such gaps between them, that says nothing more then until it
    /// may end.
    pub(crate) fn body(&self, frames: usize, gap: Duration) -> Body {
        let (curtain, on_stage) = (self.curtain.subscribe(), OnStage::enter(&self.counts));
        let act = Act { frame: 0, frames, gap, curtain, _on_stage: on_stage };
        Body::from_stream(stream::unfold(act, Act::next))
    }

    /// Bodies may end from now on.
    pub(crate) fn let_them_end(&self) {
        self.curtain.send_replace(true);
    }

    /// How many bodies there are.
    pub(crate) fn now(&self) -> usize {
        self.counts.now.load(Ordering::SeqCst)
    }

    /// The most that there ever were at once.
    pub(crate) fn most(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// How many there were in all.
    pub(crate) fn ever(&self) -> usize {
        self.counts.ever.load(Ordering::SeqCst)
    }
}

impl Act {
    async fn next(mut self) -> Option<(Result<&'static str, Infallible>, Self)> {
        if self.frame == self.frames {
            self.curtain.wait_for(|may_end| *may_end).await.expect("the server has the stage");
            // It goes here, before anybody hears that the body is over.
            return None;
        }
        if self.frame > 0 {
            sleep(self.gap).await;
        }
        self.frame += 1;
        Some((Ok("frame "), self))
    }
}

impl OnStage {
    fn enter(counts: &Arc<Counts>) -> Self {
        counts.ever.fetch_add(1, Ordering::SeqCst);
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for OnStage {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
