//! What Redis says in place of an answer is passed on, without what it quotes.

use crate::{
    LONG, fails, get, pause,
    peer::{Conduct, Peer},
    put, store, store_of, told, works,
};

#[tokio::test]
async fn a_refusal_is_told_and_costs_no_connection() {
    let said = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let peer = Peer::new(move |_| Conduct::SaysLater(said)).await;
    let store = store(peer.address, LONG);
    for _ in 0..3 {
        let error = told(put(&store, "secret").await.unwrap_err().as_ref());
        assert!(error.contains("Redis says: OOM command not allowed when used memory"), "{error}");
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_value_that_is_quoted_is_not() {
    for said in [
        "-ERR unknown command 'SET', with args beginning with: 'key' 'secret' \r\n",
        "-ERR unknown command `SET`, with args beginning with: `key`, `secret`, \r\n",
    ] {
        let peer = Peer::new(move |_| Conduct::SaysLater(said)).await;
        let error = put(&store(peer.address, LONG), "secret").await.unwrap_err();
        let error = told(error.as_ref());
        assert!(error.contains("Redis says: ERR unknown command"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_value_is_an_error_that_does_not_repeat_it() {
    for said in ["*1\r\n$6\r\nsecret\r\n", ":5\r\n", "+secret\r\n"] {
        let peer = Peer::new(move |_| Conduct::SaysLater(said)).await;
        let error = fails(&store(peer.address, LONG)).await;
        assert!(error.contains("no value"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_even_redis_is_an_error_and_the_connection_is_left() {
    let peer = Peer::new(|number| match number {
        0 => Conduct::SaysLater("secret\r\n"),
        1 => Conduct::Says("HTTP/1.1 400 Bad Request\r\n\r\n"),
        _ => Conduct::Answers,
    });
    let peer = peer.await;
    let store = store(peer.address, LONG);
    for begins in ["the connection broke: ", "no connection: "] {
        let error = fails(&store).await;
        assert!(error.contains(&format!("{begins}what came is not Redis' protocol")), "{error}");
        assert!(!error.contains("secret"), "{error}");
        pause().await;
    }
    works(&store).await;
}

#[tokio::test]
async fn closed_while_it_is_made_it_says_what_that_may_mean() {
    // The client waits for all answers before it looks at the first, so it does not tell what it says.
    let peer = Peer::new(|_| Conduct::Refuses("-ERR max number of clients reached\r\n")).await;
    for login in ["", ":secret@", "user:secret@"] {
        let store = store_of(&format!("redis://{login}{}/3", peer.address), LONG);
        let error = fails(&store).await;
        assert!(error.contains("no connection: "), "{error}");
        assert!(error.contains("as where Redis has too many clients"), "{error}");
    }
}

#[tokio::test]
async fn nothing_kept_is_no_error() {
    let peer = Peer::new(|_| Conduct::SaysLater("$-1\r\n")).await;
    assert_eq!(get(&store(peer.address, LONG), "key").await.unwrap(), None);
}
