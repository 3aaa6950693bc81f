//! Redis goes and comes back; the store stays what it is.

use std::time::Duration;

use buttress::{
    chaos::proxy::{Direction, FaultProxy, Toxic},
    fallback::Store,
};
use buttress_redis::RedisStore;
use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    FAIR, HANG, KEEP, LONG, fails, get, put,
    server::{PAUSE, Server},
    store, store_at,
};

/// A store that reaches it by a network that fails on demand.
async fn by_proxy(server: &Server, limit: Duration) -> (FaultProxy, RedisStore) {
    let proxy = FaultProxy::builder(server.address()).start().await.unwrap();
    let store = store_at(&format!("redis://{}", proxy.address()), limit);
    (proxy, store)
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn no_test_has_the_server_of_another() {
    let server = Server::start().await;
    assert!(Server::at(server.port()).await.is_none(), "its port is taken");
    put(&store(&server, LONG), "key", "it is still there").await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn it_is_killed_and_started_again() {
    let mut server = Server::start().await;
    let store = store(&server, LONG);
    put(&store, "key", "before").await;
    for _ in 0..3 {
        server.kill();
        for _ in 0..20 {
            let error = fails(&store).await;
            assert!(error.contains("get \"key\": no connection: Connection refused"), "{error}");
        }
        server.restart().await;
        assert_eq!(get(&store, "key").await, None, "it is another one");
        put(&store, "key", "after").await;
        assert_eq!(get(&store, "key").await.unwrap(), "after");
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn nobody_sees_a_restart_who_asks_nothing_meanwhile() {
    let mut server = Server::start().await;
    let store = store(&server, LONG);
    for _ in 0..5 {
        put(&store, "key", "before").await;
        server.kill();
        server.restart().await;
        assert_eq!(get(&store, "key").await, None);
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn it_is_cut_off_under_load() {
    let server = Server::start().await;
    let (proxy, store) = by_proxy(&server, LONG).await;
    let large = Bytes::from(vec![7; 1 << 20]);
    put(&store, "key", large.clone()).await;
    let mut load = JoinSet::new();
    for _ in 0..20 {
        let (store, large) = (store.clone(), large.clone());
        load.spawn(async move {
            // Whole or not at all.
            while let Ok(Some(value)) = store.get("key").await {
                assert_eq!(value, large);
                if store.put("key", value, KEEP).await.is_err() {
                    return;
                }
            }
        });
    }
    for _ in 0..20 {
        get(&store, "key").await.unwrap();
    }
    proxy.handle().refuse().await.unwrap();
    timeout(HANG, load.join_all()).await.expect("all end");
    let error = fails(&store).await;
    assert!(error.contains("get \"key\": no connection: Connection refused"), "{error}");
    proxy.handle().enable().await.unwrap();
    sleep(PAUSE).await;
    assert_eq!(get(&store, "key").await.unwrap(), large, "it was there all the time");
    put(&store, "key", "after").await;
    assert_eq!(get(&store, "key").await.unwrap(), "after");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn it_hangs_and_goes_on() {
    let server = Server::start().await;
    let (proxy, store) = by_proxy(&server, FAIR).await;
    put(&store, "key", "before").await;
    for _ in 0..3 {
        // Whoever connects is let in, and nobody takes what he sends.
        proxy.handle().add("hangs", Toxic::blackhole().on(Direction::Upstream)).unwrap();
        let hangs = timeout(HANG, store.get("key")).await.expect("it ends").unwrap_err();
        assert!(hangs.to_string().contains("no answer within 400ms"), "{hangs}");
        let error = fails(&store).await;
        assert!(error.contains("no connection within 400ms"), "{error}");
        proxy.handle().remove("hangs");
        assert_eq!(get(&store, "key").await.unwrap(), "before");
    }
}
