//! How good answers get into a store that takes long, fails or panics: nobody waits for it, nor minds.

mod stores;

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Key};
use buttress_fallback::{LastKnownGood, Store};
use buttress_testkit::Recorder;
use bytes::Bytes;
use stores::{
    Scripted, paused,
    texts::{answers, builder, echo, memory, tenant},
};
use tokio::{
    task::yield_now,
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// A store that takes so long to take an answer.
#[derive(Clone)]
struct Slow {
    takes: Duration,
    fails: Arc<AtomicBool>,
    puts: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
}

impl Slow {
    fn new(takes: Duration) -> Self {
        Self { takes, fails: Arc::default(), puts: Arc::default(), at_once: Arc::default() }
    }
}

impl Store for Slow {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(None)
    }

    async fn put(&self, _key: &str, _value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        struct Leaves<'a>(&'a AtomicUsize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        assert!(Deadline::current().is_some(), "it sees how long it has");
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.at_once.fetch_add(1, Ordering::SeqCst);
        let _leaves = Leaves(&self.at_once);
        match self.takes {
            Duration::ZERO => {}
            Duration::MAX => pending().await,
            takes => sleep(takes).await,
        }
        if self.fails.load(Ordering::SeqCst) { Err("read only".into()) } else { Ok(()) }
    }
}

#[test]
fn nobody_waits_for_a_store_that_takes_long() {
    paused().block_on(async {
        let (slow, recorder) = (Slow::new(Duration::MAX), Recorder::new());
        let memory = memory(slow.clone()).write_limit(SECOND).max_writes(2);
        let service = builder(memory, &recorder).build().unwrap().layer(service_fn(echo));
        let start = Instant::now();
        for n in 0..5 {
            assert_eq!(service.clone().oneshot(format!("a{n}")).await.unwrap(), format!("a{n}"));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        // No more than so many at once, and they are given so much time.
        assert_eq!((slow.puts.load(Ordering::SeqCst), slow.at_once.load(Ordering::SeqCst)), (2, 2));
        let busy = "the store is still at 2 others";
        let again = format!("fallback fallback: not stored by memory again: {busy}");
        let first = format!("fallback fallback: not stored by memory: {busy}");
        assert_eq!(recorder.take(), [first, again.clone(), again]);
        yield_now().await;
        advance(Duration::from_millis(999)).await;
        yield_now().await;
        assert_eq!(slow.at_once.load(Ordering::SeqCst), 2);
        advance(Duration::from_millis(2)).await;
        yield_now().await;
        assert_eq!(slow.at_once.load(Ordering::SeqCst), 0);
        let late = "the store did not take it in 1s";
        assert_eq!(
            recorder.take(),
            [
                format!("fallback fallback: not stored by memory: {late}"),
                format!("fallback fallback: not stored by memory again: {late}")
            ]
        );
        service.oneshot("a6".to_owned()).await.unwrap();
        assert_eq!(slow.puts.load(Ordering::SeqCst), 3);
    });
}

/// Lets all tasks run, of which one that yields lets some sixty.
async fn settle() {
    for _ in 0..4 {
        yield_now().await;
    }
}

#[test]
fn the_bounds_are_what_they_are_said_to_be_by_default() {
    paused().block_on(async {
        let (slow, recorder) = (Slow::new(Duration::MAX), Recorder::new());
        let layer = builder(memory(slow.clone()), &recorder).build().unwrap();
        let service = layer.layer(service_fn(echo));
        for _ in 0..65 {
            service.clone().oneshot("a".to_owned()).await.unwrap();
        }
        assert_eq!(slow.at_once.load(Ordering::SeqCst), 64);
        settle().await;
        advance(Duration::from_millis(999)).await;
        settle().await;
        assert_eq!(slow.at_once.load(Ordering::SeqCst), 64);
        advance(Duration::from_millis(2)).await;
        settle().await;
        assert_eq!(slow.at_once.load(Ordering::SeqCst), 0);
    });
    for (length, stored) in [(1 << 20, 1), ((1 << 20) + 1, 0)] {
        let store = Scripted::default();
        let (answers, _) = answers(memory(store.clone()), &[&"a".repeat(length)]);
        assert_eq!(answers[0].as_ref().map(String::len), Ok(length));
        assert_eq!(store.entries(), stored);
    }
}

#[test]
fn that_the_store_fails_is_told_once_a_minute() {
    paused().block_on(async {
        for takes in [Duration::ZERO, Duration::from_millis(1)] {
            let (store, recorder) = (Slow::new(takes), Recorder::new());
            let layer = builder(memory(store.clone()), &recorder).build().unwrap();
            let service = layer.layer(service_fn(echo));
            for fails in [true, true, false, true] {
                store.fails.store(fails, Ordering::SeqCst);
                service.clone().oneshot("a".to_owned()).await.unwrap();
                sleep(SECOND).await;
            }
            let first = "fallback fallback: not stored by memory: read only";
            let again = "fallback fallback: not stored by memory again: read only";
            assert_eq!(recorder.take(), [first, again, again]);
            // Something else is told for itself.
            service.clone().oneshot("secret".to_owned()).await.unwrap();
            let other = "fallback fallback: not stored by memory: it has no bytes";
            assert_eq!(recorder.take(), [other]);
            sleep(60 * SECOND).await;
            service.clone().oneshot("a".to_owned()).await.unwrap();
            sleep(SECOND).await;
            assert_eq!(recorder.take(), [first]);
        }
    });
}

/// A store that panics, at once or later.
#[derive(Debug)]
struct Panics(bool);

impl Store for Panics {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(None)
    }

    async fn put(&self, _key: &str, _value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        if self.0 {
            yield_now().await;
        }
        panic!("the store was told to panic");
    }
}

#[test]
fn a_store_that_panics_is_one_that_fails_and_no_harm_to_a_call_that_goes_well() {
    paused().block_on(async {
        for later in [false, true] {
            let recorder = Recorder::new();
            let layer = builder(memory(Panics(later)).max_writes(1), &recorder).build().unwrap();
            let service = layer.layer(service_fn(echo));
            for _ in 0..3 {
                assert_eq!(service.clone().oneshot("a1".to_owned()).await.unwrap(), "a1");
                sleep(SECOND).await;
            }
            let first = "fallback fallback: not stored by memory: the store panicked";
            let again = "fallback fallback: not stored by memory again: the store panicked";
            assert_eq!(recorder.take(), [first, again, again], "and its place is free again");
        }
    });
}

/// Sees under which deadline it is asked.
struct Sees(Arc<Mutex<Vec<Option<Duration>>>>);

impl Store for Sees {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(None)
    }

    async fn put(&self, _key: &str, _value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        for _ in 0..2 {
            self.0.lock().unwrap().push(Deadline::current().map(Deadline::remaining));
            yield_now().await;
        }
        Ok(())
    }
}

#[test]
fn the_time_that_a_store_has_is_its_own_and_not_that_of_the_call() {
    paused().block_on(async {
        let (seen, recorder) = (Arc::default(), Recorder::new());
        let memory = memory(Sees(Arc::clone(&seen))).write_limit(2 * SECOND);
        let mut service = builder(memory, &recorder).build().unwrap().layer(service_fn(echo));
        let call = service.call("a1".to_owned());
        let deadline = Deadline::after(Duration::from_millis(5));
        Deadline::scoped(Some(deadline), call).await.unwrap();
        sleep(SECOND).await;
        assert_eq!(*seen.lock().unwrap(), [Some(2 * SECOND), Some(2 * SECOND)]);
        assert!(recorder.take().is_empty());
    });
}

#[test]
fn without_a_runtime_a_store_that_is_done_at_once_works_and_another_is_told() {
    fn call<S: Store>(store: S) -> Vec<String> {
        let recorder = Recorder::new();
        let memory = LastKnownGood::new(store, tenant as fn(&String) -> Option<Key>);
        let mut service = builder(memory, &recorder).build().unwrap().layer(service_fn(echo));
        let mut call = polled_once(service.call("a1".to_owned()));
        assert_eq!(call().unwrap().unwrap(), "a1");
        recorder.take()
    }
    assert!(call(Scripted::default()).is_empty());
    let told = "fallback fallback: not stored by memory: \
                there is no runtime for the store to go on in";
    assert_eq!(call(Slow::new(Duration::MAX)), [told]);
}

/// Polls a future once, in no runtime at all.
fn polled_once<F: Future>(future: F) -> impl FnMut() -> Option<F::Output> {
    let mut future = Box::pin(future);
    move || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

#[test]
fn shows_its_settings_and_not_what_it_keeps() {
    let memory = LastKnownGood::new(Panics(false), |(): &()| Some("key"));
    assert_eq!(
        format!("{memory:?}"),
        "LastKnownGood { store: Panics(false), max_age: 3600s, max_bytes: 1048576, \
         max_bytes_at_once: 67108864, write_limit: 1s, max_writes: 64, .. }"
    );
}
