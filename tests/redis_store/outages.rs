//! Redis goes and comes back; the store stays what it is.

use buttress::fallback::Store;
use bytes::Bytes;
use tokio::{task::JoinSet, time::timeout};

use crate::{FAIR, HANG, KEEP, LONG, fails, get, put, server::Server, store};

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
async fn it_is_killed_under_load() {
    let mut server = Server::start().await;
    let store = store(&server, LONG);
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
    server.kill();
    timeout(HANG, load.join_all()).await.expect("all end");
    server.restart().await;
    put(&store, "key", "after").await;
    assert_eq!(get(&store, "key").await.unwrap(), "after");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server on PATH")]
async fn it_stops_and_goes_on() {
    let server = Server::start().await;
    let store = store(&server, FAIR);
    put(&store, "key", "before").await;
    for _ in 0..3 {
        server.stop();
        let stopped = timeout(HANG, store.get("key")).await.expect("it ends").unwrap_err();
        assert!(stopped.to_string().contains("no answer within 400ms"), "{stopped}");
        let error = fails(&store).await;
        assert!(error.contains("no connection within 400ms"), "{error}");
        server.go_on();
        assert_eq!(get(&store, "key").await.unwrap(), "before");
    }
}
