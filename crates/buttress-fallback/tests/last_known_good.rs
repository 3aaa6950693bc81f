//! Last known good answers: how they get into a store, and what comes out of one.

mod stores;

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use buttress_core::{BoxError, Deadline, Encoded, Key};
use buttress_fallback::{FallbackLayer, FallbackLayerBuilder, LastKnownGood, Store};
use buttress_testkit::Recorder;
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use stores::{Access, Scripted, now, paused};
use tokio::{
    task::yield_now,
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn encode(text: &String) -> Result<Vec<u8>, BoxError> {
    if text == "secret" { Err("it has no bytes".into()) } else { Ok(text.clone().into_bytes()) }
}

fn decode(bytes: &[u8]) -> Result<String, BoxError> {
    Ok(std::str::from_utf8(bytes)?.to_owned())
}

type Text =
    Encoded<fn(&String) -> Result<Vec<u8>, BoxError>, fn(&[u8]) -> Result<String, BoxError>>;

/// Requests are what is to be answered; those that begin with `!` fail.
fn builder<S: Store>(
    memory: LastKnownGood<S, fn(&String) -> Option<Key>>,
    recorder: &Recorder,
) -> FallbackLayerBuilder<String, String, Text, fn(&String) -> String> {
    let keep: fn(&String) -> String = String::clone;
    FallbackLayer::builder()
        .protocol(Encoded::new(
            encode as fn(&String) -> Result<Vec<u8>, BoxError>,
            decode as fn(&[u8]) -> Result<String, BoxError>,
        ))
        .keep(keep)
        .observer(recorder.clone())
        .last_known_good("memory", memory)
}

/// By the first letter, which is a tenant; those of nobody are not remembered.
#[expect(clippy::ptr_arg, reason = "it is the view, as it was kept")]
fn tenant(request: &String) -> Option<Key> {
    let tenant = request.trim_start_matches('!').chars().next()?;
    (tenant != '-').then(|| Key::shared(tenant))
}

fn memory<S: Store>(store: S) -> LastKnownGood<S, fn(&String) -> Option<Key>> {
    LastKnownGood::new(store, tenant as fn(&String) -> Option<Key>).clock(now)
}

/// What the store is given for a key of several users, by a layer that has no name.
fn stored(key: &str) -> String {
    format!("8:fallback:all:{key}")
}

async fn echo(request: String) -> Result<String, BoxError> {
    if request.starts_with('!') { Err(request.into()) } else { Ok(request) }
}

/// What is answered to these, one after the other, and what was said meanwhile.
fn answers<S: Store>(
    memory: LastKnownGood<S, fn(&String) -> Option<Key>>,
    requests: &[&str],
) -> (Vec<Result<String, String>>, Vec<String>) {
    paused().block_on(async {
        let recorder = Recorder::new();
        let service = builder(memory, &recorder).build().unwrap().layer(service_fn(echo));
        let mut answers = Vec::new();
        for request in requests {
            let answer = service.clone().oneshot((*request).to_owned()).await;
            answers.push(answer.map_err(|error| error.to_string()));
        }
        (answers, recorder.take())
    })
}

#[test]
fn values_with_bytes_are_remembered_by_key_and_not_without_one() {
    let store = Scripted::default();
    let requests = ["a1", "b1", "-1", "a2", "!a", "!b", "!c", "!-"];
    let (answers, said) = answers(memory(store.clone()), &requests);
    assert_eq!(answers[4..6], [Ok("a2".to_owned()), Ok("b1".to_owned())]);
    assert_eq!(answers[6..], [Err("!c".to_owned()), Err("!-".to_owned())]);
    // Neither is a fault: that nothing was remembered, or that it is not to be.
    let nothing = "fallback fallback: nothing in memory";
    assert_eq!(said.iter().filter(|line| *line == nothing).count(), 2, "{said:?}");
    assert_eq!(store.entries(), 2);
    let (_, keep_for) = store.entry(&stored("a")).unwrap();
    assert_eq!(keep_for, Duration::from_secs(3600), "the default age");
}

#[test]
fn a_value_without_bytes_is_served_and_not_remembered() {
    let (answers, said) = answers(memory(Scripted::default()), &["s1", "secret", "!s", "secret"]);
    assert_eq!(answers[2], Ok("s1".to_owned()));
    assert_eq!(said[0], "fallback fallback: not stored by memory: it has no bytes");
    assert_eq!(
        said.last().unwrap(),
        "fallback fallback: not stored by memory again: it has no bytes"
    );
}

#[test]
fn one_that_is_too_large_is_told_once_and_leaves_the_one_before() {
    let memory = memory(Scripted::default()).max_bytes(4);
    let (answers, said) = answers(memory, &["a234", "a2345", "!a", "a2345", "b234", "a2345"]);
    assert_eq!(answers[2], Ok("a234".to_owned()));
    let large = "the answer is larger than is stored";
    assert_eq!(said[0], format!("fallback fallback: not stored by memory: {large}"));
    let again = format!("fallback fallback: not stored by memory again: {large}");
    // That one was stored meanwhile says nothing of these.
    assert_eq!(said[3..], [again.clone(), again]);
}

proptest! {
    /// Whatever is in a store, and however it came there, it is no answer unless it was stored as the
    /// answer to this very key; it is never a panic; and the call falls to the next tier.
    #[test]
    fn what_was_not_stored_under_the_key_is_no_answer(
        bytes in vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        change in (any::<prop::sample::Index>(), 1..=255_u8),
        how in 0..4_usize,
    ) {
        let store = Scripted::default();
        answers(memory(store.clone()), &["a1", "b1"]);
        let (entry, _) = store.entry(&stored("a")).unwrap();
        let mut changed = entry.to_vec();
        changed[change.0.index(entry.len())] ^= change.1;
        let entry = match how {
            0 => Bytes::from(bytes),
            1 => entry.slice(..cut.index(entry.len())),
            2 => changed.into(),
            _ => store.entry(&stored("b")).unwrap().0,
        };
        store.replace(&stored("a"), entry);
        let (answers, said) = answers(memory(store), &["!a"]);
        prop_assert_eq!(&answers[0], &Err("!a".to_owned()));
        prop_assert!(said[1].starts_with("fallback fallback: tier memory failed: "), "{:?}", said);
    }
}

#[test]
fn bytes_that_make_no_value_fall_to_the_next_tier() {
    paused().block_on(async {
        let recorder = Recorder::new();
        let store = Scripted::default();
        // Stored by a version whose values were others.
        let old = FallbackLayer::builder()
            .protocol(Encoded::new(|_: &u8| Ok(vec![0xff]), |_: &[u8]| Ok(1)))
            .last_known_good("old", LastKnownGood::new(store.clone(), |(): &()| Some("a")).clock(now))
            .build()
            .unwrap();
        old.layer(service_fn(async |_: ()| Ok::<u8, BoxError>(1))).oneshot(()).await.unwrap();
        let new = builder(memory(store), &recorder).value("next", |_, _| "next".into());
        let service = new.build().unwrap().layer(service_fn(echo));
        assert_eq!(service.oneshot("!a".to_owned()).await.unwrap(), "next");
        assert_eq!(
            recorder.take()[1..],
            [
                "fallback fallback: tier memory failed: invalid utf-8 sequence of 1 bytes from index 0",
                "fallback fallback: served by next"
            ]
        );
    });
}

#[test]
fn nothing_older_than_the_bound_is_served_however_long_the_store_keeps_it() {
    for (age, served) in [(0, true), (1, true), (999, true), (1000, true), (1001, false)] {
        paused().block_on(async {
            let recorder = Recorder::new();
            let layer = builder(memory(Scripted::default()).max_age(SECOND), &recorder);
            let service = layer.build().unwrap().layer(service_fn(echo));
            service.clone().oneshot("a1".to_owned()).await.unwrap();
            advance(Duration::from_millis(age)).await;
            assert_eq!(service.oneshot("!a".to_owned()).await.is_ok(), served, "{age}");
        });
    }
}

#[test]
fn any_age_will_do_where_there_is_no_bound() {
    paused().block_on(async {
        let recorder = Recorder::new();
        let layer = builder(memory(Scripted::default()).max_age(Duration::MAX), &recorder);
        let service = layer.build().unwrap().layer(service_fn(echo));
        service.clone().oneshot("a1".to_owned()).await.unwrap();
        advance(Duration::from_secs(1 << 30)).await;
        assert_eq!(service.oneshot("!a".to_owned()).await.unwrap(), "a1");
    });
}

#[test]
fn a_clock_of_another_machine_that_is_ahead_makes_no_answer_younger_than_new() {
    fn behind() -> SystemTime {
        now() - SECOND
    }
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let ahead = builder(memory(store.clone()), &recorder).build().unwrap();
        ahead.layer(service_fn(echo)).oneshot("a1".to_owned()).await.unwrap();
        let behind = builder(memory(store).clock(behind), &recorder).build().unwrap();
        behind.layer(service_fn(echo)).oneshot("!a".to_owned()).await.unwrap();
        assert_eq!(recorder.take()[1], "fallback fallback: served by memory, 0ns old");
    });
}

#[test]
fn a_store_that_hangs_or_fails_is_a_tier_that_fails_within_its_time() {
    for (access, limit, takes) in [
        (Access::Fails, None, Duration::ZERO),
        (Access::Hangs, None, Duration::from_millis(100)),
        (Access::Hangs, Some(SECOND), SECOND),
    ] {
        paused().block_on(async {
            let (store, recorder) = (Scripted::default(), Recorder::new());
            store.set(access);
            let mut builder = builder(memory(store), &recorder);
            if let Some(limit) = limit {
                builder = builder.tier_within(limit);
            }
            let layer = builder.value("next", |_, _| "next".into()).build().unwrap();
            let start = Instant::now();
            let answer = layer.layer(service_fn(echo)).oneshot("!a".to_owned()).await;
            assert_eq!(answer.unwrap(), "next");
            assert_eq!(start.elapsed(), takes, "{access:?}");
        });
    }
}

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
fn layers_of_different_names_do_not_share_answers_and_those_of_one_name_do() {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let layer =
            |name: &str| builder(memory(store.clone()), &recorder).name(name).build().unwrap();
        layer("prices").layer(service_fn(echo)).oneshot("a1".to_owned()).await.unwrap();
        let ask = |name: &str| layer(name).layer(service_fn(echo)).oneshot("!a".to_owned());
        assert_eq!(ask("prices").await.unwrap(), "a1");
        for other in ["secrets", "price", "prices:", ""] {
            ask(other).await.unwrap_err();
        }
    });
}

#[test]
fn what_is_stored_for_one_user_is_not_found_by_a_key_of_several() {
    paused().block_on(async {
        let store = Scripted::default();
        let layer = |key: fn(&()) -> Option<Key>| {
            FallbackLayer::builder()
                .protocol(Encoded::new(encode, decode))
                .last_known_good("memory", LastKnownGood::new(store.clone(), key))
                .build()
                .unwrap()
        };
        let private = layer(|()| Some(Key::private("alice")));
        let good = service_fn(async |()| Ok::<_, BoxError>("hers".to_owned()));
        private.layer(good).oneshot(()).await.unwrap();
        let bad = service_fn(async |()| Err::<String, BoxError>("down".into()));
        assert_eq!(private.layer(bad).oneshot(()).await.unwrap(), "hers");
        layer(|()| Some(Key::shared("alice"))).layer(bad).oneshot(()).await.unwrap_err();
        layer(|()| Some(Key::users_alike("alice"))).layer(bad).oneshot(()).await.unwrap_err();
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
fn a_memory_from_before_keep_has_one_key_for_all() {
    paused().block_on(async {
        let layer = FallbackLayer::builder()
            .protocol(Encoded::new(encode, decode))
            .last_known_good(
                "blind",
                LastKnownGood::new(Scripted::default(), |(): &()| Some("all")),
            )
            .keep(|request: &String| request.clone())
            .value("seeing", |view, _| view.clone())
            .build()
            .unwrap();
        let service = layer.layer(service_fn(echo));
        assert_eq!(service.clone().oneshot("!b".to_owned()).await.unwrap(), "!b");
        service.clone().oneshot("a1".to_owned()).await.unwrap();
        assert_eq!(service.oneshot("!b".to_owned()).await.unwrap(), "a1");
    });
}

#[test]
fn an_error_that_is_called_a_success_is_not_remembered_and_neither_is_a_neutral_answer() {
    paused().block_on(async {
        let store = Scripted::default();
        let layer = FallbackLayer::builder()
            .protocol(Encoded::new(encode, decode))
            .classify(|result: Result<&String, &BoxError>| match result {
                Ok(text) if text == "n" => buttress_core::Judgement::NEUTRAL,
                _ => buttress_core::Judgement::SUCCESS,
            })
            .last_known_good("memory", LastKnownGood::new(store.clone(), |(): &()| Some("all")))
            .build()
            .unwrap();
        let service = layer.layer(service_fn(echo));
        service.clone().oneshot("!a".to_owned()).await.unwrap_err();
        service.clone().oneshot("n".to_owned()).await.unwrap();
        assert_eq!(store.entries(), 0);
        service.oneshot("a".to_owned()).await.unwrap();
        assert_eq!(store.entries(), 1);
    });
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

#[test]
fn what_makes_no_sense_is_a_config_error() {
    let error = |memory: LastKnownGood<Scripted, fn(&String) -> Option<Key>>| {
        builder(memory, &Recorder::new()).build().unwrap_err().to_string()
    };
    let memory = || memory(Scripted::default());
    assert_eq!(
        error(memory().max_age(Duration::ZERO)),
        "`max_age` is 0s, but must be longer than zero (Duration::MAX means never)"
    );
    assert_eq!(error(memory().max_bytes(0)), "`max_bytes` is 0, but must be from 1 to 1073741824");
    assert!(error(memory().max_bytes((1 << 30) + 1)).starts_with("`max_bytes` is 1073741825"));
    assert!(error(memory().max_bytes_at_once(0)).starts_with("`max_bytes_at_once` is 0"));
    let most = error(memory().max_bytes_at_once((1 << 36) + 1));
    assert!(most.ends_with("but must be from 1 to 68719476736"), "{most}");
    assert_eq!(error(memory().max_writes(0)), "`max_writes` is 0, but must be from 1 to 1000000");
    assert!(error(memory().max_writes(1_000_001)).starts_with("`max_writes` is 1000001"));
    assert!(error(memory().write_limit(Duration::ZERO)).starts_with("`write_limit` is 0s"));
    let twice = builder(memory(), &Recorder::new()).last_known_good("again", memory());
    assert_eq!(
        twice.build().unwrap_err().to_string(),
        "`last_known_good` is said again, but must be said at most once"
    );
    let named = builder(memory(), &Recorder::new()).value("memory", |_, _| String::new());
    assert!(named.build().unwrap_err().to_string().starts_with("`value` is `memory` again"));
    let all = memory().max_age(Duration::MAX).max_bytes(1 << 30).write_limit(Duration::MAX);
    let all = all.max_bytes_at_once(1 << 36);
    builder(all.max_writes(1_000_000), &Recorder::new()).build().unwrap();
}
