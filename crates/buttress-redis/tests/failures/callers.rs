//! A caller may leave whenever it wants.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_fallback::Store;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    HANG, LONG, SHORT, get,
    peer::{Conduct, Peer},
    store, told,
};

#[tokio::test]
async fn an_answer_goes_to_nobody_but_who_asked() {
    let permits = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&permits);
    let peer = Peer::new(move |_| Conduct::AnswersWhenTold(Arc::clone(&told))).await;
    let store = store(peer.address, LONG);
    for round in 1..=20 {
        let left = format!("left {round}");
        {
            let mut leaving = pin!(store.get(&left));
            let sent = async {
                tokio::select! {
                    _ = &mut leaving => unreachable!("there is no permit"),
                    () = peer.has_got(2 * round - 1) => (),
                }
            };
            timeout(HANG, sent).await.expect("it is sent");
        }
        permits.add_permits(2);
        let key = format!("asked {round}");
        assert_eq!(get(&store, &key).await.unwrap().unwrap(), key);
    }
    assert_eq!(peer.connections(), 1, "nobody who leaves costs the connection");
}

#[tokio::test]
async fn callers_who_are_less_patient_than_the_limits_get_to_a_new_connection() {
    let peer = Peer::new(|number| match number {
        0 => Conduct::FallsSilent,
        _ => Conduct::Answers,
    });
    let peer = peer.await;
    let store = store(peer.address, SHORT);
    let impatient =
        async { while !matches!(timeout(SHORT / 10, store.get("key")).await, Ok(Ok(_))) {} };
    timeout(HANG, impatient).await.expect("the silent connection is left");
    assert!(peer.connections() > 1);
}

#[tokio::test]
async fn a_connection_is_made_though_nobody_waits_for_it_to_the_end() {
    let peer = Peer::new(|_| Conduct::WarmsUp(SHORT)).await;
    let store = store(peer.address, LONG);
    let impatient =
        async { while !matches!(timeout(SHORT / 5, store.get("key")).await, Ok(Ok(_))) {} };
    timeout(HANG, impatient).await.expect("a connection is made");
    assert_eq!(peer.connections(), 1);
}

#[test]
fn outside_of_a_runtime_it_is_built_and_says_what_it_lacks() {
    let store = store("127.0.0.1:1".parse().unwrap(), Duration::MAX);
    let polled = pin!(store.get("key")).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = polled else { panic!("{polled:?}") };
    assert!(told(error.as_ref()).contains("outside of a tokio runtime"), "{error}");
}
