//! What a client of a proxy sees of its toxics, on connections that run while they change.

use std::{io::ErrorKind, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    api::Proxies,
    running::{Client, Server, Upstream},
    soon,
};

const TOXICS: &str = "/proxies/one/toxics";

#[tokio::test]
async fn latency_comes_and_changes_and_goes() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let mut client = Client::greeted(server.proxy("one", &upstream).await, b'a').await;
    let mut way = async || {
        let start = Instant::now();
        client.is_echoed().await;
        start.elapsed()
    };
    let millis = Duration::from_millis;
    let up = json!({ "type": "latency", "stream": "upstream", "attributes": { "latency": 100 } });
    let down = json!({ "type": "latency", "attributes": { "latency": 200 } });
    for toxic in [up, down] {
        assert_eq!(server.post(TOXICS, &toxic).await.0, 200);
    }
    assert!(way().await >= millis(300));
    let change = json!({ "attributes": { "latency": 400 } });
    let path = format!("{TOXICS}/latency_downstream");
    assert_eq!(server.post(&path, &change).await.0, 200);
    assert!(way().await >= millis(500));

    // Longer than anybody here waits: so it is the change that ends it, and the removal.
    let ever = json!({ "attributes": { "latency": 3_600_000 } });
    assert_eq!(server.patch(&path, &ever).await.0, 200);
    assert_eq!(server.patch(&path, &json!({ "attributes": { "latency": 0 } })).await.0, 200);
    assert!(way().await >= millis(100));
    assert_eq!(server.patch(&path, &ever).await.0, 200);
    assert_eq!(server.delete(&path).await.0, 204);
    assert!(way().await >= millis(100));
}

#[tokio::test]
async fn without_bandwidth_nothing_passes_until_there_is_some() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    let toxic = json!({ "type": "bandwidth", "attributes": { "rate": 0 } });
    assert_eq!(server.post(TOXICS, &toxic).await.0, 200);
    let mut client = Client::try_connect(listen).await.unwrap();
    client.says("held").await;
    // What would pass would have passed by then, or this test would show nothing, but not fail.
    sleep(Duration::from_millis(50)).await;
    assert_eq!(client.0.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);

    let path = format!("{TOXICS}/bandwidth_downstream");
    // A thousand bytes a second.
    assert_eq!(server.post(&path, &json!({ "attributes": { "rate": 1 } })).await.0, 200);
    assert_eq!(client.hears(5).await.unwrap(), b"aheld");
    let start = Instant::now();
    client.says(&"x".repeat(500)).await;
    client.hears(500).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn each_that_cuts_does_so_on_connections_that_run() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    let cuts = [
        (json!({ "type": "reset_peer", "attributes": { "timeout": 20 } }), true),
        (json!({ "type": "timeout", "attributes": { "timeout": 20 } }), false),
        (
            json!({ "type": "timeout", "stream": "upstream", "attributes": { "timeout": 20 } }),
            false,
        ),
    ];
    for (mut toxic, is_reset) in cuts {
        toxic["name"] = json!("cut");
        let mut client = Client::greeted(listen, b'a').await;
        assert_eq!(server.post(TOXICS, &toxic).await.0, 200);
        let heard = client.hears(1).await.unwrap_err().kind();
        let expected = if is_reset { ErrorKind::ConnectionReset } else { ErrorKind::UnexpectedEof };
        assert_eq!(heard, expected, "{toxic}");
        assert_eq!(server.delete(&format!("{TOXICS}/cut")).await.0, 204);
    }
    let limit = json!({ "name": "cut", "type": "limit_data", "attributes": { "bytes": 3 } });
    let mut client = Client::greeted(listen, b'a').await;
    assert_eq!(server.post(TOXICS, &limit).await.0, 200);
    client.says("four").await;
    assert_eq!(client.hears(3).await.unwrap(), b"fou");
    client.is_cut().await;
}

#[tokio::test]
async fn a_timeout_of_zero_and_a_blackhole_keep_the_connection() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    for kind in ["timeout", "blackhole"] {
        let mut client = Client::greeted(listen, b'a').await;
        assert_eq!(server.post(TOXICS, &json!({ "type": kind })).await.0, 200);
        client.says("something").await;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(client.0.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let path = format!("{TOXICS}/{kind}_downstream");
        assert_eq!(server.delete(&path).await.0, 204);
        if kind == "blackhole" {
            assert_eq!(client.hears(9).await.unwrap(), b"something");
        } else {
            client.is_cut().await;
        }
    }
}

#[tokio::test]
async fn slow_close_and_slicer_lose_nothing() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    let slicer = json!({
        "type": "slicer", "stream": "upstream",
        "attributes": { "average_size": 64, "size_variation": 32, "delay": 10 },
    });
    let close = json!({ "type": "slow_close", "attributes": { "delay": 300 } });
    for toxic in [slicer, close] {
        assert_eq!(server.post(TOXICS, &toxic).await.0, 200);
    }
    let mut client = Client::greeted(listen, b'a').await;
    let text = (0..2000).map(|n: u32| n.to_string()).collect::<Vec<_>>().join(" ");
    client.says(&text).await;
    assert!(client.hears(text.len()).await.unwrap() == text.as_bytes());
    let start = Instant::now();
    soon("it ends", tokio::io::AsyncWriteExt::shutdown(&mut client.0)).await.unwrap();
    client.is_cut().await;
    assert!(start.elapsed() >= Duration::from_millis(300));
}

/// Who of so many connections, one after the other, is struck by a toxic that strikes half of them.
async fn struck(seed: u64, name: &str) -> Vec<bool> {
    let (server, upstream) =
        (Server::with(Proxies::new(Some(seed))).await, Upstream::start(b'a').await);
    let listen = server.proxy(name, &upstream).await;
    let toxic = json!({ "type": "reset_peer", "toxicity": 0.5 });
    assert_eq!(server.post(&format!("/proxies/{name}/toxics"), &toxic).await.0, 200);
    let mut struck = Vec::new();
    for _ in 0..40 {
        let mut client = Client::try_connect(listen).await;
        let heard = match &mut client {
            Ok(client) => client.hears(1).await.map(drop),
            Err(error) => Err(error.kind().into()),
        };
        struck.push(heard.is_err());
    }
    struck
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_connections_of_the_same_proxy() {
    let first = struck(7, "one").await;
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    assert_eq!(struck(7, "one").await, first);
    assert_ne!(struck(8, "one").await, first);
    assert_ne!(struck(7, "other").await, first);
}
