//! What is put is there, for as long as it was put for.

use std::{sync::Arc, time::Duration};

use buttress::fallback::Store;
use buttress_redis::RedisStore;
use bytes::Bytes;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{KEEP, LONG, get, put, server::Server, store};

/// How many milliseconds the key is kept for, by the word of Redis.
async fn kept_for(server: &Server, key: &str) -> u64 {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
    left.try_into().expect("it is there, and expires")
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
fn whatever_is_put_comes_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let store = store(&server, LONG);
    let inputs = (".{0,40}", prop::collection::vec(any::<u8>(), 0..2000));
    TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(256) })
        .run(&inputs, |(key, value)| {
            runtime.block_on(async {
                put(&store, &key, value.clone()).await;
                prop_assert_eq!(get(&store, &key).await, Some(Bytes::from(value)));
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn nothing_comes_back_as_nothing_and_a_mebibyte_whole() {
    let server = Server::start().await;
    let store = store(&server, LONG);
    assert_eq!(get(&store, "key").await, None);
    put(&store, "key", "").await;
    assert_eq!(get(&store, "key").await, Some(Bytes::new()), "empty is not absent");
    let large: Bytes = (0..1 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
    put(&store, "key", large.clone()).await;
    assert_eq!(get(&store, "key").await, Some(large));
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn what_is_put_expires() {
    let server = Server::start().await;
    let store = store(&server, LONG);
    let value = Bytes::from_static(b"value");
    let ten_years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let nearly = Duration::from_secs(10 * 365 * 24 * 60 * 60 - 60);
    for (keep_for, least, most) in [
        (KEEP, KEEP / 2, KEEP),
        (Duration::from_millis(100_500), Duration::from_secs(50), Duration::from_millis(100_500)),
        (Duration::MAX, nearly, ten_years),
        (Duration::from_millis(u64::MAX), nearly, ten_years),
    ] {
        store.put("key", value.clone(), keep_for).await.unwrap();
        let kept_for = Duration::from_millis(kept_for(&server, "buttress:key").await);
        assert!((least..=most).contains(&kept_for), "{keep_for:?}: {kept_for:?}");
    }
    // What is put for no time at all is no error, and soon gone.
    store.put("key", value, Duration::ZERO).await.unwrap();
    while get(&store, "key").await.is_some() {}
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn stores_see_each_other_unless_their_prefixes_differ() {
    let server = Server::start().await;
    let build = |prefix: &str| {
        let builder = RedisStore::builder(&server.url()).prefix(prefix);
        builder.connect_limit(LONG).response_limit(LONG).build().unwrap()
    };
    let (shop, same_shop, other) = (build("shop:"), build("shop:"), build("other:"));
    put(&shop, "tea", "9.95").await;
    assert_eq!(get(&same_shop, "tea").await.unwrap(), "9.95");
    assert_eq!(get(&other, "tea").await, None);
    put(&other, "tea", "1.20").await;
    assert_eq!(get(&shop, "tea").await.unwrap(), "9.95");
    assert_eq!(get(&store(&server, LONG), "tea").await, None, "the default is one, too");
    kept_for(&server, "shop:tea").await;
    kept_for(&server, "other:tea").await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn a_thousand_at_once_get_each_its_own() {
    let server = Server::start().await;
    let store = store(&server, LONG);
    let mut all = JoinSet::new();
    // Documented: a store refuses to put more at once.
    let places = Arc::new(Semaphore::new(256));
    for n in 0..1000 {
        let (store, places) = (store.clone(), Arc::clone(&places));
        all.spawn(async move {
            let key = n.to_string();
            let place = places.acquire().await.unwrap();
            put(&store, &key, key.clone()).await;
            drop(place);
            assert_eq!(get(&store, &key).await.unwrap(), key);
        });
    }
    all.join_all().await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn a_database_is_what_the_url_says() {
    let server = Server::start().await;
    let url = format!("{}/3", server.url());
    let third = RedisStore::builder(&url).connect_limit(LONG).response_limit(LONG).build().unwrap();
    let first = store(&server, LONG);
    put(&third, "key", "third").await;
    assert_eq!(get(&first, "key").await, None);
    assert_eq!(get(&third, "key").await.unwrap(), "third");
}
