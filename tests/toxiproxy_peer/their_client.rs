//! What Python's client does, what it reads back, and what Python's socket sees.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
#[cfg_attr(not(has_toxiproxy), ignore = "needs Python's toxiproxy")]
async fn it_creates_reads_back_and_destroys_proxies() {
    let mut stage = Stage::set().await;
    assert_eq!(stage.python.does("running", json!({})).await, true);
    let version = stage.python.does("version", json!({})).await;
    assert!(version["version"].as_str().unwrap().starts_with("2."), "{version}");

    let listen = stage.create("one").await;
    stage.is_echoed(&listen).await;
    let off = json!({ "name": "off", "upstream": "127.0.0.1:1", "enabled": false });
    assert_eq!(stage.python.does("create", off).await["enabled"], false);
    let mut all = stage.python.does("proxies", json!({})).await;
    let one = json!({
        "name": "one", "listen": listen, "upstream": stage.upstream, "enabled": true,
    });
    assert_eq!(all["one"], one);
    assert_eq!(all["off"]["enabled"], false);
    stage.is_echoed(&all["before"]["listen"].take()).await;

    let taken = json!({ "name": "other", "upstream": "a:1", "listen": "nowhere" });
    let (error, text) = stage.python.raises("create", taken).await;
    assert_eq!(error, "InvalidToxic", "so it calls each 400");
    assert!(text.contains("can not listen at `nowhere`"), "{text}");

    // It compares by itself, and destroys what is elsewhere.
    let upstream = format!("localhost:{}", stage.upstream.port());
    let moved = json!({ "name": "one", "listen": listen, "upstream": upstream });
    let populated = stage.python.does("populate", json!({ "proxies": [moved] })).await;
    let one = json!({ "name": "one", "listen": listen, "upstream": upstream, "enabled": true });
    assert_eq!(populated, json!([one]));
    stage.is_echoed(&listen).await;

    assert_eq!(stage.python.does("destroy", json!({ "name": "one" })).await, true);
    assert_eq!(stage.fails(&listen).await, "ConnectionRefusedError");
    stage.python.does("destroy_all", json!({})).await;
    assert_eq!(stage.python.does("proxies", json!({})).await, json!({}));
}

#[tokio::test]
#[cfg_attr(not(has_toxiproxy), ignore = "needs Python's toxiproxy")]
async fn it_adds_reads_back_changes_and_removes_toxics() {
    let mut stage = Stage::set().await;
    let listen = stage.create("one").await;
    let latency = json!({ "to": "one", "type": "latency", "attributes": { "latency": 300 } });
    stage.python.does("add_toxic", latency.clone()).await;
    let up = json!({
        "to": "one", "type": "latency", "stream": "upstream", "name": "up", "toxicity": 1,
        "attributes": { "latency": 200, "jitter": 0 },
    });
    stage.python.does("add_toxic", up).await;
    let one = json!({ "name": "one" });
    let toxics = stage.python.does("toxics", one.clone()).await;
    let down = json!({
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": { "latency": 300, "jitter": 0 },
    });
    let up = json!({
        "name": "up", "type": "latency", "stream": "upstream", "toxicity": 1.0,
        "attributes": { "latency": 200, "jitter": 0 },
    });
    assert_eq!(toxics, json!({ "latency_downstream": down, "up": up }));
    let millis = Duration::from_millis;
    assert!(stage.is_echoed(&listen).await >= millis(500));

    let change = json!({
        "name": "one", "toxic": "up", "attributes": { "latency": 600 }, "toxicity": 0.999_999,
    });
    let changed = stage.python.does("change_toxic", change).await;
    assert_eq!(changed["attributes"], json!({ "latency": 600, "jitter": 0 }));
    assert_eq!(changed["toxicity"], 0.999_999);
    assert!(stage.is_echoed(&listen).await >= millis(900));
    let removed = json!({ "name": "one", "toxic": "latency_downstream" });
    assert_eq!(stage.python.does("destroy_toxic", removed.clone()).await, true);
    let toxics = stage.python.does("toxics", one).await;
    assert_eq!(toxics.as_object().unwrap().keys().collect::<Vec<_>>(), ["up"]);
    assert!(stage.is_echoed(&listen).await >= millis(600));

    let (error, text) = stage.python.raises("destroy_toxic", removed).await;
    assert_eq!(error, "NotFound");
    assert!(text.contains("toxic not found"), "{text}");
    let taken = json!({ "to": "one", "type": "timeout", "name": "up" });
    let (error, text) = stage.python.raises("add_toxic", taken).await;
    assert_eq!(error, "ProxyExists", "so it calls each 409");
    assert!(text.contains("toxic already exists"), "{text}");
    for wrong in [json!({ "type": "unheard_of" }), json!({ "type": "latency", "stream": "both" })] {
        let mut toxic = wrong;
        toxic["to"] = json!("one");
        assert_eq!(stage.python.raises("add_toxic", toxic).await.0, "InvalidToxic");
    }
}

/// What a socket of Python sees of each toxic that cuts or slows, of a proxy that is disabled, and after a
/// reset.
#[tokio::test]
#[cfg_attr(not(has_toxiproxy), ignore = "needs Python's toxiproxy")]
async fn its_socket_sees_what_its_client_asked_for() {
    let mut stage = Stage::set().await;
    let listen = stage.create("one").await;
    let one = json!({ "name": "one" });

    add(&mut stage, json!({ "type": "reset_peer", "attributes": { "timeout": 0 } })).await;
    assert_eq!(stage.fails(&listen).await, "ConnectionResetError");
    remove(&mut stage, "reset_peer_downstream").await;

    add(&mut stage, json!({ "type": "limit_data", "attributes": { "bytes": 3 } })).await;
    let said = stage.python.does("say", json!({ "address": listen, "text": "hello" })).await;
    assert_eq!(said["heard"], "hel");
    remove(&mut stage, "limit_data_downstream").await;

    add(&mut stage, json!({ "type": "timeout", "attributes": { "timeout": 200 } })).await;
    let said = stage.python.does("say", json!({ "address": listen, "text": "hello" })).await;
    assert_eq!(said["heard"], "");
    assert!(said["seconds"].as_f64().unwrap() >= 0.2, "{said}");
    remove(&mut stage, "timeout_downstream").await;

    add(&mut stage, json!({ "type": "bandwidth", "attributes": { "rate": 2 } })).await;
    let slicer = json!({ "average_size": 64, "size_variation": 16, "delay": 100 });
    add(&mut stage, json!({ "type": "slicer", "stream": "upstream", "attributes": slicer })).await;
    let text = "a thousand bytes at two thousand a second.".repeat(24);
    let said = stage.python.does("say", json!({ "address": listen, "text": text })).await;
    assert_eq!(said["heard"], text);
    assert!(said["seconds"].as_f64().unwrap() >= 0.4, "{said}");

    assert_eq!(stage.python.does("disable", one.clone()).await, Value::Null);
    assert_eq!(stage.fails(&listen).await, "ConnectionRefusedError");
    assert_eq!(stage.python.does("proxies", json!({})).await["one"]["enabled"], false);
    stage.python.does("enable", one.clone()).await;
    assert_eq!(stage.python.does("proxies", json!({})).await["one"]["enabled"], true);
    assert_eq!(stage.python.does("toxics", one.clone()).await.as_object().unwrap().len(), 2);
    stage.is_echoed(&listen).await;

    add(&mut stage, json!({ "type": "reset_peer" })).await;
    stage.python.does("disable", one.clone()).await;
    assert_eq!(stage.python.does("reset", json!({})).await, true);
    assert_eq!(stage.python.does("toxics", one).await, json!({}));
    stage.is_echoed(&listen).await;
}

async fn add(stage: &mut Stage, mut toxic: Value) {
    toxic["to"] = json!("one");
    stage.python.does("add_toxic", toxic).await;
}

async fn remove(stage: &mut Stage, toxic: &str) {
    stage.python.does("destroy_toxic", json!({ "name": "one", "toxic": toxic })).await;
}
