//! The store in this process.

#![cfg(feature = "memory")]

use std::time::Duration;

use buttress_fallback::{MemoryStore, Store};
use bytes::Bytes;

const HOUR: Duration = Duration::from_secs(3600);

fn store(max_bytes: u64) -> MemoryStore {
    MemoryStore::builder().max_bytes(max_bytes).build().unwrap()
}

#[tokio::test]
async fn what_was_put_last_is_found_and_clones_are_one_store() {
    let store = store(1 << 20);
    assert_eq!(store.get("price").await.unwrap(), None);
    store.put("price", Bytes::from_static(b"1"), HOUR).await.unwrap();
    store.clone().put("price", Bytes::from_static(b"2"), HOUR).await.unwrap();
    store.put("other", Bytes::new(), HOUR).await.unwrap();
    assert_eq!(store.get("price").await.unwrap().unwrap(), "2");
    assert_eq!(store.clone().get("other").await.unwrap().unwrap(), "");
}

#[tokio::test]
async fn what_nobody_has_any_use_for_is_forgotten() {
    let store = store(1 << 20);
    store.put("brief", Bytes::from_static(b"1"), Duration::ZERO).await.unwrap();
    assert_eq!(store.get("brief").await.unwrap(), None);
    // Each entry has its own time, from when it was put last.
    store.put("brief", Bytes::from_static(b"2"), HOUR).await.unwrap();
    assert_eq!(store.get("brief").await.unwrap().unwrap(), "2");
    store.put("brief", Bytes::from_static(b"3"), Duration::ZERO).await.unwrap();
    assert_eq!(store.get("brief").await.unwrap(), None);
    store.put("long", Bytes::from_static(b"4"), Duration::MAX).await.unwrap();
    assert_eq!(store.get("long").await.unwrap().unwrap(), "4");
}

#[tokio::test]
async fn it_is_bounded_in_bytes_and_what_was_put_last_is_there() {
    let store = store(100 << 10);
    for n in 0..1000 {
        let key = format!("key {n}");
        store.put(&key, Bytes::from(vec![0; 1 << 10]), HOUR).await.unwrap();
        assert!(store.get(&key).await.unwrap().is_some(), "{n}");
    }
    let mut found = 0;
    for n in 0..1000 {
        found += usize::from(store.get(&format!("key {n}")).await.unwrap().is_some());
    }
    // An entry takes its bytes, its key, and some 400 bytes.
    assert!((65..=75).contains(&found), "{found}");
}

#[tokio::test]
async fn a_few_large_answers_do_not_go_over_the_bound() {
    let store = store(1 << 20);
    for n in 0..60 {
        store.put(&n.to_string(), Bytes::from(vec![0; 50 << 10]), HOUR).await.unwrap();
    }
    let mut found = Vec::new();
    for n in 0..60 {
        if store.get(&n.to_string()).await.unwrap().is_some() {
            found.push(n);
        }
    }
    assert_eq!(found, (40..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_larger_than_a_sixteenth_of_it_is_not_taken() {
    let store = store(16_000 * 16);
    for (key, value) in [(1, 16_000 - 400), (16_000, 0), (16_000 - 400, 1)] {
        let (key, value) = ("k".repeat(key), Bytes::from(vec![0; value]));
        let error = store.put(&key, value, HOUR).await.unwrap_err();
        assert_eq!(error.to_string(), "the answer is too large for the store");
        assert!(store.get(&key).await.unwrap().is_none());
    }
    for (key, value) in [(1, 16_000 - 401), (16_000 - 400, 0)] {
        let (key, value) = ("k".repeat(key), Bytes::from(vec![0; value]));
        store.put(&key, value, HOUR).await.unwrap();
        assert!(store.get(&key).await.unwrap().is_some());
    }
}

#[test]
fn next_to_no_room_is_a_config_error() {
    let error = |bytes| MemoryStore::builder().max_bytes(bytes).build().unwrap_err().to_string();
    assert_eq!(error(0), "`max_bytes` is 0, but must be 65536 or more");
    assert_eq!(error(65_535), "`max_bytes` is 65535, but must be 65536 or more");
    MemoryStore::builder().max_bytes(u64::MAX).build().unwrap();
    let default = MemoryStore::builder().build().unwrap();
    assert!(format!("{default:?}").contains("max_bytes: 67108864"), "{default:?}");
}
