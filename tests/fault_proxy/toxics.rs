//! Toxics are added, shown, changed and removed.

use serde_json::{Value, json};

use crate::running::{Server, Upstream, error};

const TOXICS: &str = "/proxies/one/toxics";

async fn server() -> Server {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    server.proxy("one", &upstream).await;
    server
}

#[tokio::test]
async fn a_toxic_is_added_shown_listed_changed_and_removed() {
    let server = server().await;
    assert_eq!(server.get(TOXICS).await, (200, json!([])));
    let asked = json!({ "type": "latency", "attributes": { "latency": 7 } });
    let mut latency = json!({
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": { "latency": 7, "jitter": 0 },
    });
    assert_eq!(server.post(TOXICS, &asked).await, (200, latency.clone()));
    let of_ours = json!({
        "name": "a hole", "type": "blackhole", "stream": "upstream", "toxicity": 0.5,
        "attributes": {},
    });
    assert_eq!(server.post(TOXICS, &of_ours).await, (200, of_ours.clone()));

    // Those of what flows upstream come first.
    assert_eq!(server.get(TOXICS).await, (200, json!([of_ours, latency])));
    assert_eq!(server.get("/proxies/one").await.1["toxics"], json!([of_ours, latency]));
    let path = format!("{TOXICS}/latency_downstream");
    assert_eq!(server.get(&path).await, (200, latency.clone()));
    assert_eq!(server.get(&format!("{TOXICS}/a%20hole")).await, (200, of_ours.clone()));

    latency["attributes"]["jitter"] = json!(3);
    let jitter = json!({ "attributes": { "jitter": 3 } });
    assert_eq!(server.post(&path, &jitter).await, (200, latency.clone()));
    latency["toxicity"] = json!(0.25);
    assert_eq!(server.patch(&path, &json!({ "toxicity": 0.25 })).await, (200, latency.clone()));
    assert_eq!(server.get(&path).await, (200, latency.clone()));

    assert_eq!(server.delete(&format!("{TOXICS}/a%20hole")).await, (204, Value::Null));
    assert_eq!(server.get(TOXICS).await, (200, json!([latency])));
    // Its name is free again.
    let other = json!({ "name": "a hole", "type": "slow_close" });
    assert_eq!(server.post(TOXICS, &other).await.0, 200);
}

#[tokio::test]
async fn what_can_not_be_done_is_told_and_changes_nothing() {
    let server = server().await;
    let latency = json!({ "type": "latency", "attributes": { "latency": 7 } });
    server.post(TOXICS, &latency).await;
    let before = server.get(TOXICS).await;
    let there = format!("{TOXICS}/latency_downstream");

    let nowhere = error(404, "proxy not found");
    let elsewhere = "/proxies/other/toxics/latency_downstream";
    assert_eq!(server.get("/proxies/other/toxics").await, nowhere);
    assert_eq!(server.post_text("/proxies/other/toxics", "{").await, nowhere);
    assert_eq!(server.get(elsewhere).await, nowhere);
    assert_eq!(server.post(elsewhere, &latency).await, nowhere);
    assert_eq!(server.patch(elsewhere, &latency).await, nowhere);
    assert_eq!(server.delete(elsewhere).await, nowhere);

    let none = error(404, "toxic not found");
    let other = format!("{TOXICS}/other");
    assert_eq!(server.get(&other).await, none);
    assert_eq!(server.post_text(&other, "{").await, none);
    assert_eq!(server.patch(&other, &latency).await, none);
    assert_eq!(server.delete(&other).await, none);

    assert_eq!(server.post(TOXICS, &latency).await, error(409, "toxic already exists"));
    let upstream = json!({ "name": "latency_downstream", "type": "timeout", "stream": "upstream" });
    assert_eq!(server.post(TOXICS, &upstream).await, error(409, "toxic already exists"));
    let kind = json!({ "type": "noop" });
    assert_eq!(server.post(TOXICS, &kind).await, error(400, "invalid toxic type"));
    let stream = json!({ "type": "latency", "stream": "both" });
    let told = "stream was invalid, can be either upstream or downstream";
    assert_eq!(server.post(TOXICS, &stream).await, error(400, told));
    let wrong = [
        "",
        "{",
        "[]",
        r#"{"type":"timeout","toxicity":2}"#,
        r#"{"type":"timeout","attributes":{"timeout":-1}}"#,
        r#"{"type":"slicer","attributes":{"average_size":0}}"#,
    ];
    for body in wrong {
        let (status, told) = server.post_text(TOXICS, body).await;
        assert_eq!((status, &told["status"]), (400, &json!(400)), "{body}");
        assert!(told["error"].as_str().unwrap().starts_with("bad request body: "), "{told}");
    }
    for body in ["", "{", r#"{"toxicity":2}"#, r#"{"attributes":{"latency":-1}}"#] {
        let (status, told) = server.post_text(&there, body).await;
        assert_eq!((status, &told["status"]), (400, &json!(400)), "{body}");
    }
    assert_eq!(server.get(TOXICS).await, before);
}
