//! However many there are, Redis and the memory do not feel it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use buttress_fallback::Store;
use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    FAIR, HANG, LONG, PAUSE, get,
    peer::{Conduct, Peer},
    put, store, store_of, told, works,
};

#[tokio::test]
async fn a_crowd_makes_one_attempt() {
    let peer = Peer::new(|number| match number {
        0 => Conduct::NeverSpeaks,
        _ => Conduct::FallsSilent,
    });
    let peer = peer.await;
    let store = store(peer.address, FAIR);
    for attempts in 1..=3 {
        let mut crowd = JoinSet::new();
        for _ in 0..500 {
            let store = store.clone();
            crowd.spawn(async move { store.get("key").await.unwrap_err() });
        }
        timeout(HANG, crowd.join_all()).await.expect("all end");
        assert_eq!(peer.connections(), attempts);
    }
}

/// No more attempts than the pauses leave room for, and whether each caller was told so.
async fn are_few(conduct: Conduct, reason: &'static str) {
    const WHILE: Duration = Duration::from_millis(500);
    let peer = Peer::new(move |_| conduct.clone()).await;
    let store = store_of(&format!("redis://:secret@{}", peer.address), LONG);
    let (mut crowd, start) = (JoinSet::new(), Instant::now());
    for _ in 0..50 {
        let store = store.clone();
        crowd.spawn(async move {
            while start.elapsed() < WHILE {
                let error = told(get(&store, "key").await.unwrap_err().as_ref());
                assert!(error.contains(reason), "{error}");
            }
        });
    }
    timeout(HANG, crowd.join_all()).await.expect("all end");
    let most = start.elapsed().as_millis() / PAUSE.as_millis() + 1;
    let attempts = peer.connections();
    assert!((2..=most).contains(&(attempts as u128)), "{attempts} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_everybody_is_not_kept_busy() {
    are_few(Conduct::Refuses("-ERR max number of clients reached\r\n"), "too many clients").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_who_closes_before_there_is_an_answer() {
    are_few(Conduct::BreaksOff, "the connection broke: ").await;
}

/// Begins it, and leaves.
async fn begin<T>(operation: impl Future<Output = T>) -> Option<T> {
    let mut operation = pin!(operation);
    poll_fn(|context| match operation.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_bounded() {
    const PUTS: usize = 256;
    const GETS: usize = 10_000;
    let permits = Arc::new(Semaphore::new(0));
    let told_when = Arc::clone(&permits);
    let peer = Peer::new(move |_| Conduct::AnswersWhenTold(Arc::clone(&told_when))).await;
    let store = store(peer.address, LONG);
    let keep_for = Duration::from_secs(60);
    for _ in 0..PUTS {
        let begun = begin(store.put("key", Bytes::from(vec![0; 1000]), keep_for)).await;
        assert!(begun.is_none(), "{begun:?}");
    }
    timeout(HANG, peer.has_got(PUTS)).await.expect("they go on");
    let value: Arc<[u8]> = Arc::new([0; 1000]);
    let refused = store.put("key", Bytes::from_owner(Arc::clone(&value)), keep_for);
    let refused = begin(refused).await.expect("it fails at once").unwrap_err();
    let refused = told(refused.as_ref());
    assert!(refused.contains("put \"key\": 256 others are under way"), "{refused}");
    assert_eq!(Arc::strong_count(&value), 1, "nobody has it any more");

    for _ in 0..GETS {
        let begun = begin(store.get("key")).await;
        assert!(begun.is_none(), "{begun:?}");
    }
    timeout(HANG, peer.has_got(PUTS + GETS)).await.expect("they go on");
    let refused = begin(store.get("key")).await.expect("it fails at once").unwrap_err();
    let refused = told(refused.as_ref());
    assert!(refused.contains("get \"key\": 10000 others are under way"), "{refused}");

    permits.add_permits(2 * (PUTS + GETS));
    let recovers = async {
        while put(&store, "value").await.is_err() || get(&store, "key").await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, recovers).await.expect("places are free again");
    works(&store).await;
    assert_eq!(peer.connections(), 1);
}
