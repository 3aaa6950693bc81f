//! Last known good answers: what of them gets into a store, and what comes out of one.

mod stores;

use std::time::{Duration, SystemTime};

use buttress_core::{BoxError, Encoded, Key};
use buttress_fallback::{FallbackLayer, LastKnownGood};
use buttress_testkit::Recorder;
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use stores::{
    Access, Scripted, now, paused,
    texts::{answers, builder, decode, echo, encode, memory, stored},
};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

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
