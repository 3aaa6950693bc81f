//! Nobody needs to restart anything.

use std::sync::Arc;

use buttress_chaos::proxy::{FaultProxy, Toxic};
use buttress_fallback::Store;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    FAIR, HANG, LONG, fails, get, pause,
    peer::{Conduct, Peer},
    store, store_of, told, works,
};

#[tokio::test]
async fn a_peer_that_fell_silent_is_left_after_one_failure() {
    let peer = Peer::new(|_| Conduct::Answers).await;
    let proxy = FaultProxy::builder(peer.address).start().await.unwrap();
    let store = store(proxy.address(), FAIR);
    works(&store).await;
    proxy.handle().add("hangs", Toxic::blackhole()).unwrap();
    let error = fails(&store).await;
    assert!(error.contains("no answer within 400ms"), "{error}");
    proxy.handle().remove("hangs");
    works(&store).await;
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_noticed_by_nobody() {
    let peer = Peer::new(|_| Conduct::Answers).await;
    let proxy = FaultProxy::builder(peer.address).start().await.unwrap();
    let store = store(proxy.address(), LONG);
    for asked in 1..=5 {
        assert_eq!(get(&store, "key").await.unwrap().unwrap(), "key");
        assert_eq!(peer.connections(), asked);
        proxy.handle().refuse().await.unwrap();
        proxy.handle().enable().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_once() {
    let permits = Arc::new(Semaphore::new(1));
    let first = Arc::clone(&permits);
    let peer = Peer::new(move |number| match number {
        0 => Conduct::AnswersWhenTold(Arc::clone(&first)),
        1 => Conduct::BreaksOff,
        _ => Conduct::Answers,
    });
    let peer = peer.await;
    let store = store(peer.address, LONG);
    // The connection is there, and about to be closed with a command in flight.
    assert_eq!(get(&store, "key").await.unwrap().unwrap(), "key");
    let asking = tokio::spawn({
        let store = store.clone();
        async move { fails(&store).await }
    });
    peer.has_got(2).await;
    permits.close();
    // It is asked again, on the second, which breaks off, and not on the third.
    let error = asking.await.unwrap();
    assert!(error.contains("the connection broke: "), "{error}");
    assert_eq!(peer.connections(), 2);
    pause().await;
    works(&store).await;
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_password_that_was_wrong_is_tried_again() {
    let peer = Peer::new(|number| match number {
        0..3 => Conduct::Says("-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        _ => Conduct::Answers,
    });
    let peer = peer.await;
    let store = store_of(&format!("redis://:secret@{}", peer.address), LONG);
    for attempts in 1..=3 {
        let error = fails(&store).await;
        assert!(error.contains("no connection: Password authentication failed"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(peer.connections(), attempts);
        pause().await;
    }
    works(&store).await;
}

#[tokio::test]
async fn a_redis_that_is_slow_is_not_left() {
    // Only where the first answer was not too late is there something to see.
    for _ in 0..20 {
        if answers_one_of_two().await {
            return;
        }
    }
    panic!("no answer was in time");
}

async fn answers_one_of_two() -> bool {
    let permits = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&permits);
    let peer = Peer::new(move |_| Conduct::AnswersWhenTold(Arc::clone(&told))).await;
    let store = store(peer.address, FAIR);
    let first = async { get(&store, "first").await.is_ok() };
    let second = async {
        peer.has_got(1).await;
        let ask = get(&store, "second");
        let (answer, ()) = tokio::join!(ask, async {
            peer.has_got(2).await;
            permits.add_permits(1);
        });
        answer.unwrap_err();
    };
    let (first_came, ()) = tokio::join!(first, second);
    permits.add_permits(2);
    if first_came {
        assert_eq!(get(&store, "third").await.unwrap().unwrap(), "third");
        assert_eq!(peer.connections(), 1);
    }
    first_came
}

#[tokio::test]
async fn a_connection_that_is_left_is_closed() {
    let peer = Peer::new(|number| match number {
        0 => Conduct::NeverSpeaks,
        _ => Conduct::FallsSilent,
    });
    let peer = peer.await;
    let store = store(peer.address, FAIR);
    for lost in 1..=2 {
        fails(&store).await;
        timeout(HANG, peer.has_lost(lost)).await.expect("it is closed");
    }
}

#[test]
fn a_runtime_that_is_gone_is_no_matter() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let peer = peers.block_on(Peer::new(|_| Conduct::Answers));
    let store = store(peer.address, LONG);
    for used in 1..=3 {
        let runtime = runtime();
        runtime.block_on(works(&store));
        assert_eq!(peer.connections(), used);
    }
    // Nor for one who waits elsewhere.
    let peer = peers.block_on(Peer::new(|_| Conduct::FallsSilent));
    let store = self::store(peer.address, LONG);
    let (mut asking, short_lived) = (Box::pin(store.get("key")), runtime());
    short_lived.block_on(async {
        timeout(FAIR / 10, &mut asking).await.expect_err("nothing is said");
    });
    drop(short_lived);
    let error = told(runtime().block_on(asking).unwrap_err().as_ref());
    assert!(error.contains("its runtime has shut down"), "{error}");
    // Nor for one who comes while it was making the connection.
    let peer = peers.block_on(Peer::new(|number| match number {
        0 => Conduct::NeverSpeaks,
        _ => Conduct::Answers,
    }));
    let store = self::store(peer.address, LONG);
    let short_lived = runtime();
    short_lived.block_on(async {
        timeout(FAIR / 100, store.get("key")).await.expect_err("nothing is said");
    });
    drop(short_lived);
    runtime().block_on(async {
        fails(&store).await;
        pause().await;
        works(&store).await;
    });
}

#[test]
fn a_runtime_that_stands_still_is_no_matter() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let peer = peers.block_on(Peer::new(|_| Conduct::Answers));
    // It can neither carry an answer nor say that it does not.
    let idle = runtime();
    let hasty = store(peer.address, FAIR);
    idle.block_on(works(&hasty));
    runtime().block_on(async {
        fails(&hasty).await;
        works(&hasty).await;
    });
    // Nor does it make a connection, or give it up.
    let peer = peers.block_on(Peer::new(|number| match number {
        0 => Conduct::NeverSpeaks,
        _ => Conduct::Answers,
    }));
    let hasty = store(peer.address, FAIR);
    idle.block_on(async {
        let asking = timeout(FAIR / 10, hasty.get("key")).await;
        assert!(asking.is_err(), "it is being made");
    });
    runtime().block_on(async {
        let error = fails(&hasty).await;
        assert!(error.contains("no connection within 400ms"), "{error}");
        works(&hasty).await;
    });
}
