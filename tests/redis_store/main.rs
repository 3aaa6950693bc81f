//! The store against a real Redis. Where there is no `redis-server` on PATH, its tests are ignored.

mod keeping;
mod outages;
mod server;

use std::time::Duration;

use buttress::fallback::Store;
use buttress_redis::RedisStore;
use bytes::Bytes;
use server::Server;
use tokio::time::timeout;

/// Each of the two limits, where Redis is there: a busy machine is slow.
const LONG: Duration = Duration::from_secs(20);
/// Where Redis is not.
const FAIR: Duration = Duration::from_millis(400);
/// Only a hang takes so long.
const HANG: Duration = Duration::from_secs(20);
const KEEP: Duration = Duration::from_secs(60);

fn store(server: &Server, limit: Duration) -> RedisStore {
    store_at(&server.url(), limit)
}

fn store_at(url: &str, limit: Duration) -> RedisStore {
    RedisStore::builder(url).connect_limit(limit).response_limit(limit).build().unwrap()
}

/// That it answers, and with what.
async fn get(store: &RedisStore, key: &str) -> Option<Bytes> {
    timeout(HANG, store.get(key)).await.expect("it ends").unwrap()
}

async fn put(store: &RedisStore, key: &str, value: impl Into<Bytes>) {
    timeout(HANG, store.put(key, value.into(), KEEP)).await.expect("it ends").unwrap();
}

/// That neither is possible, and with what words.
async fn fails(store: &RedisStore) -> String {
    let put = store.put("key", Bytes::from_static(b"value"), KEEP);
    timeout(HANG, put).await.expect("it ends").unwrap_err();
    timeout(HANG, store.get("key")).await.expect("it ends").unwrap_err().to_string()
}
