//! Whatever Redis does, an operation ends, and the store finds it again when it is back.
//!
//! With real sockets, so in real time: nothing is said of how long a thing took, but for a bound
//! far above the limits, which only a hang passes.

mod bounds;
mod callers;
mod crowds;
mod peer;
mod recovery;
mod replicas;
mod words;

use std::{net::SocketAddr, time::Duration};

use buttress_core::BoxError;
use buttress_fallback::Store;
use buttress_redis::{RedisStore, RedisStoreError};
use bytes::Bytes;
use tokio::time::{sleep, timeout};

/// Each of the two limits, where they should pass.
const SHORT: Duration = Duration::from_millis(50);
/// Where they should pass first, and then should not, on a busy machine either.
const FAIR: Duration = Duration::from_millis(400);
/// Where they should not pass at all.
const LONG: Duration = Duration::from_secs(20);
const HANG: Duration = Duration::from_secs(5);
/// Documented: from the beginning of an attempt that came to nothing to the next one.
const PAUSE: Duration = Duration::from_millis(50);

fn store(address: SocketAddr, limit: Duration) -> RedisStore {
    store_of(&format!("redis://{address}"), limit)
}

fn store_of(url: &str, limit: Duration) -> RedisStore {
    RedisStore::builder(url).prefix("").connect_limit(limit).response_limit(limit).build().unwrap()
}

async fn get(store: &RedisStore, key: &str) -> Result<Option<Bytes>, BoxError> {
    timeout(HANG, store.get(key)).await.expect("it ends")
}

async fn put(store: &RedisStore, value: &'static str) -> Result<(), BoxError> {
    let (value, keep_for) = (Bytes::from_static(value.as_bytes()), Duration::from_secs(60));
    timeout(HANG, store.put("key", value, keep_for)).await.expect("it ends")
}

/// After this it is time for another attempt, whatever became of those before.
async fn pause() {
    sleep(PAUSE).await;
}

/// That it fails, and with what words.
async fn fails(store: &RedisStore) -> String {
    told(get(store, "key").await.unwrap_err().as_ref())
}

/// That the peer is asked, and its answer returned.
async fn works(store: &RedisStore) {
    assert_eq!(get(store, "some key").await.unwrap().unwrap(), "some key");
    put(store, "value").await.unwrap();
}

fn told(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let error = error.downcast_ref::<RedisStoreError>().expect("the store's own");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    error.to_string()
}
