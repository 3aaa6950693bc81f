//! Which thread does what, and under which deadline.

use std::{
    convert::Infallible,
    future::pending,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use buttress_bulkhead::BulkheadLayer;
use buttress_core::Deadline;
use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{
    apart::{Apart, PATIENCE, thread_name, until, within_patience},
    one,
};

/// Says on which threads it is asked, called, polled and dropped.
#[derive(Clone, Default)]
struct Threads {
    seen: Arc<Mutex<Vec<(&'static str, String)>>>,
}

struct Dropped(Threads);

impl Threads {
    fn note(&self, what: &'static str) {
        self.seen.lock().unwrap().push((what, thread_name()));
    }

    fn take(&self) -> Vec<(&'static str, String)> {
        mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note("drop");
    }
}

impl Service<bool> for Threads {
    type Response = ();
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.note("poll_ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ends: bool) -> Self::Future {
        self.note("call");
        let dropped = Dropped(self.clone());
        Box::pin(async move {
            yield_now().await;
            dropped.0.note("poll");
            if ends { Ok(()) } else { pending().await }
        })
    }
}

#[tokio::test]
async fn all_of_a_call_happens_on_a_thread_of_its_runtime() {
    let (apart, threads) = (Apart::new("apart"), Threads::default());
    let layer = one(&apart);
    let mut service = layer.layer(threads.clone());
    let all = ["poll_ready", "call", "poll", "drop"].map(|what| (what, "apart".to_owned()));

    within_patience(service.call(true)).await.unwrap();
    assert_eq!(threads.take(), all);
    // Also what is left of one whose caller leaves.
    let call = service.call(false);
    until("it is polled", || threads.seen.lock().unwrap().len() == 3).await;
    drop(call);
    until("the place comes back", || layer.handle().in_flight() == 0).await;
    assert_eq!(threads.take(), all);
    // Without a runtime, all of it is here.
    let here = BulkheadLayer::new(1).unwrap().layer(threads.clone());
    within_patience(here.oneshot(true)).await.unwrap();
    let name = thread_name();
    assert!(threads.take().iter().all(|(_, thread)| *thread == name && name != "apart"));
}

#[tokio::test]
async fn the_deadline_of_the_caller_goes_along() {
    let apart = Apart::new("apart");
    let mut service = one(&apart).layer(service_fn(|_: ()| {
        let in_call = Deadline::current();
        async move {
            yield_now().await;
            Ok::<_, Infallible>((in_call, Deadline::current()))
        }
    }));
    let deadline = Some(Deadline::after(PATIENCE));
    let call = Deadline::scope(deadline, || service.call(()));
    assert_eq!(within_patience(call).await.unwrap(), (deadline, deadline));
    // And stays with that call.
    assert_eq!(within_patience(service.call(())).await.unwrap(), (None, None));
}
