//! A server that is a replica now is left, so that another may be found.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    LONG, fails,
    peer::{Conduct, Peer},
    put, store, told, works,
};

/// Documented: a connection is left for this reason at most so often.
const SETTLED: Duration = Duration::from_secs(1);

/// Whether a connection is left on which everything is answered so.
async fn is_left(said: &'static str) -> bool {
    let peer = Peer::new(move |number| match number {
        0 => Conduct::SaysLater(said),
        _ => Conduct::Answers,
    });
    let peer = peer.await;
    let store = store(peer.address, LONG);
    for _ in 0..5 {
        let error = fails(&store).await;
        assert!(error.contains("Redis says: "), "{error}");
    }
    assert_eq!(peer.connections(), 1, "it was made a moment ago");
    sleep(SETTLED).await;
    let error = told(put(&store, "secret").await.unwrap_err().as_ref());
    assert!(error.contains("Redis says: "), "{error}");
    if put(&store, "secret").await.is_err() {
        assert_eq!(peer.connections(), 1);
        return false;
    }
    works(&store).await;
    assert_eq!(peer.connections(), 2);
    true
}

#[tokio::test]
async fn a_server_is_left_if_it_is_the_wrong_one_and_not_if_it_is_in_trouble() {
    let (read_only, master_down, loading, full) = tokio::join!(
        is_left("-READONLY You can't write against a read only replica.\r\n"),
        is_left("-MASTERDOWN Link with MASTER is down.\r\n"),
        is_left("-LOADING Redis is loading the dataset in memory\r\n"),
        is_left("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    );
    assert!(read_only && master_down, "{read_only} {master_down}");
    assert!(!loading && !full, "{loading} {full}");
}
